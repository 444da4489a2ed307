package commands

import "github.com/spf13/cobra"

func (p *program) webhooks() *cobra.Command { return &cobra.Command{Use: "webhooks", Hidden: true} }
