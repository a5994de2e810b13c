package reference_test

import (
	"encoding/json"
	"flag"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/infra/reference"
)

var histories = flag.Int("histories", 2000, "how many histories the ledger is compared with its model over; purchases are over a quarter as many")

// The functions that a brand runs and the model answer the same, to the byte,
// after any history.
func TestTheLedgerIsTheModel(t *testing.T) {
	met := agree(t, *histories, func(t *rapid.T, h history, met map[string]int) {
		b := run(t, h)
		real, model := b.state(), reference.After(h.program(), h.inputs)
		for _, m := range slices.Concat(slices.Collect(maps.Values(real.Members)), slices.Collect(maps.Values(model.Members))) {
			maps.DeleteFunc(m.Pots, func(_ string, points int64) bool { return points == 0 })
		}
		same(t, h, real, model)
		h.count(met, model)
		for what, times := range b.met {
			met[what] += times
		}
	})
	t.Logf("met: %v", met)
	if raceDetector || testing.Short() || *histories < 10_000 {
		return
	}
	for _, what := range []string{
		"excess", "conflict", "late line", "late line settled apart", "second completion", "early refund", "repeat", "split", "late joiner", "second identity", "program", "claim", "claim that waits", "claim that was waited for",
		"claw of ended points", "claw making debt", "claw from lots", "settle paying debt", "settle into lots",
		"spend from lots", "expire",
		"merge making debt", "merge paying debt", "merge into lots", "merge from lots", "merge of ended points",
		"unmerge making debt", "unmerge paying debt", "unmerge into lots", "unmerge from lots", "unmerge of ended points",
	} {
		if met[what] == 0 {
			t.Errorf("no history met: %s", what)
		}
	}
}

// The purchases of members are counted the same, too.
func TestPurchasesAreTheModel(t *testing.T) {
	agree(t, *histories/4, func(t *rapid.T, h history, _ map[string]int) {
		same(t, h, run(t, h).purchases(), reference.PurchasesAfter(h.program(), h.inputs))
	})
}

// A reader who is to trust the model reads it whole.
func TestTheModelIsShort(t *testing.T) {
	var lines, code int
	for line := range strings.Lines(read(t, "model.go")) {
		lines++
		if line := strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			code++
		}
		if len(line) > 120 {
			t.Errorf("line %d is longer than 120 bytes", lines)
		}
	}
	t.Logf("%d lines, %d of them code", lines, code)
	if code >= 210 {
		t.Errorf("the model has %d lines of code, want less than 210", code)
	}
}

// agree holds a property over so many histories, spread over the processors, and
// returns what they met.
func agree(t *testing.T, histories int, property func(t *rapid.T, h history, met map[string]int)) map[string]int {
	if raceDetector {
		histories /= 10
	}
	workers := runtime.GOMAXPROCS(0)
	setting := flag.Lookup("rapid.checks")
	was := setting.Value.String()
	if err := setting.Value.Set(strconv.Itoa((histories + workers - 1) / workers)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = setting.Value.Set(was) }()
	var (
		lock sync.Mutex
		all  = map[string]int{}
		ran  int
	)
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // what a history leaves is garbage, and little of it
	began := time.Now()
	t.Run("histories", func(t *testing.T) {
		for worker := range workers {
			t.Run(strconv.Itoa(worker), func(t *testing.T) {
				t.Parallel()
				met, mine := map[string]int{}, 0
				rapid.Check(t, func(t *rapid.T) {
					mine++
					property(t, draw(t), met)
				})
				lock.Lock()
				defer lock.Unlock()
				ran += mine
				for what, times := range met {
					all[what] += times
				}
			})
		}
	})
	t.Logf("%d histories in %.1f s agree to the byte", ran, time.Since(began).Seconds())
	if ran < histories {
		t.Errorf("%d histories ran, not %d", ran, histories)
	}
	return all
}

// same compares two answers as text.
func same(t *rapid.T, h history, real, model any) {
	got, want := text(t, real), text(t, model)
	if got != want {
		t.Fatalf("what is real (+) differs from the model (-):\n%safter\n%s", cmp.Diff(want, got), h)
	}
}

func text(t *rapid.T, of any) string {
	raw, err := json.MarshalIndent(of, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
