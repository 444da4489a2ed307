package commands

import "github.com/spf13/cobra"

func (p *program) operators() *cobra.Command { return &cobra.Command{Use: "operators", Hidden: true} }
