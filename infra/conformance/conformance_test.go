//go:build conformance

package conformance

import (
	"fmt"
	"testing"

	"github.com/huitou/huitou/infra/conformance/reference"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/dynamo"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/table/tabletest"
)

// TestConformance fails when no reference can be started; when only one can,
// it says so and why.
func TestConformance(t *testing.T) {
	var ran []string
	for _, engine := range reference.Engines {
		t.Run(engine.Name, func(t *testing.T) {
			server, err := engine.Start(t.Context(), t.TempDir(), t.Logf)
			if err != nil {
				t.Logf("NOT RUN: %s: %v", engine.Name, err)
				return
			}
			t.Cleanup(server.Close)
			known := divergences[engine.Name]
			for _, d := range known {
				t.Logf("known to diverge from DynamoDB: %q: %s (source: %s)", d.Case, d.What, d.Source)
			}
			tables := 0
			cases := tabletest.RunReference(t, func(t *testing.T) table.Table {
				tables++
				name := fmt.Sprintf("conformance-%d", tables)
				if err := dynamo.Create(t.Context(), server.Client, name); err != nil {
					t.Fatal(err)
				}
				return dynamo.New(server.Client, name)
			}, known)
			ran = append(ran, fmt.Sprintf("%s: %d cases, %d known divergences", engine.Name, cases, len(known)))
		})
	}
	t.Run("embedded, in memory", func(t *testing.T) {
		tabletest.Run(t, func(*testing.T) table.Table { return embedded.Memory() })
	})
	t.Run("embedded, durable", func(t *testing.T) {
		tabletest.Run(t, func(t *testing.T) table.Table {
			engine, err := embedded.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := engine.Close(); err != nil {
					t.Error(err)
				}
			})
			return engine
		})
	})
	if len(ran) == 0 {
		t.Fatal("no reference engine could be started: conformance is not shown; the lines NOT RUN say what is missing")
	}
	for _, line := range ran {
		t.Logf("conformance: %s", line)
	}
}
