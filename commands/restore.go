package commands

import "github.com/spf13/cobra"

func (p *program) restore() *cobra.Command { return &cobra.Command{Use: "restore", Hidden: true} }
