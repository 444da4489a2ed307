package commands

import "github.com/spf13/cobra"

func (p *program) adopt() *cobra.Command { return &cobra.Command{Use: "adopt", Hidden: true} }
