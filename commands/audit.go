package commands

import "github.com/spf13/cobra"

func (p *program) audit() *cobra.Command { return &cobra.Command{Use: "audit", Hidden: true} }
