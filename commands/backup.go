package commands

import "github.com/spf13/cobra"

func (p *program) backup() *cobra.Command { return &cobra.Command{Use: "backup", Hidden: true} }
