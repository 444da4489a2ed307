package commands

import "github.com/spf13/cobra"

func (p *program) feeds() *cobra.Command { return &cobra.Command{Use: "feeds", Hidden: true} }
