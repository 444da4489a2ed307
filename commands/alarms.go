package commands

import "github.com/spf13/cobra"

func (p *program) alarms() *cobra.Command { return &cobra.Command{Use: "alarms", Hidden: true} }
