package commands

import "github.com/spf13/cobra"

func (p *program) morningReport() *cobra.Command { return &cobra.Command{Use: "report", Hidden: true} }
