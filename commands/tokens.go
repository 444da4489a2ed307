package commands

import "github.com/spf13/cobra"

func (p *program) tokens() *cobra.Command { return &cobra.Command{Use: "tokens", Hidden: true} }
