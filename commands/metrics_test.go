package commands

import (
	"testing"

	_ "github.com/VictoriaMetrics/metricsql"
	_ "github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func TestX(t *testing.T) {}
