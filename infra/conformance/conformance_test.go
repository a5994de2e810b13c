//go:build conformance

package conformance

import (
	"fmt"
	"testing"

	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/dynamo"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/table/tabletest"
)

// TestConformance fails when no reference can be started; when only one can,
// it says so and why.
func TestConformance(t *testing.T) {
	var ran []string
	for _, r := range references {
		t.Run(r.name, func(t *testing.T) {
			client, err := r.start(t)
			if err != nil {
				t.Logf("NOT RUN: %s: %v", r.name, err)
				return
			}
			for _, d := range r.known {
				t.Logf("known to diverge from DynamoDB: %q: %s (source: %s)", d.Case, d.What, d.Source)
			}
			tables := 0
			cases := tabletest.RunReference(t, func(t *testing.T) table.Table {
				tables++
				name := fmt.Sprintf("conformance-%d", tables)
				if err := dynamo.Create(t.Context(), client, name); err != nil {
					t.Fatal(err)
				}
				return dynamo.New(client, name)
			}, r.known)
			ran = append(ran, fmt.Sprintf("%s: %d cases, %d known divergences", r.name, cases, len(r.known)))
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
