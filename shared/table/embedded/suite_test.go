package embedded_test

import (
	"testing"

	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
	"github.com/huitou/huitou/shared/table/tabletest"
)

func TestMemory(t *testing.T) {
	tabletest.Run(t, func(*testing.T) table.Table { return embedded.Memory() })
}

func TestDurable(t *testing.T) {
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
}
