package commands

import "github.com/spf13/cobra"

func (p *program) doctor() *cobra.Command { return &cobra.Command{Use: "doctor", Hidden: true} }
