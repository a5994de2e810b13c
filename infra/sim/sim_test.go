package sim

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou"
	"github.com/huitou/huitou/infra/stack/template"
	"github.com/huitou/huitou/shared/cards"
)

var (
	seeds = flag.Uint64("seeds", 200, "how many seeds TestSeeds runs")
	from  = flag.Uint64("from", 1, "the first of them")
	stop  = flag.Bool("stop", false, "stop at the first seed that fails and do not look at what the others met")
	all   = flag.Bool("mutants", false, "hunt every mutant")
)

// underRace is how many seeds are run with the race detector.
const underRace = 8

func TestSeeds(t *testing.T) {
	many := *seeds
	if raceDetector {
		many = min(many, underRace)
	}
	summary := Many(*from, many, *stop)
	var table strings.Builder
	summary.Table(&table)
	t.Logf("%s\n%s", summary.Line(), &table)
	for i, failed := range summary.Failed {
		if i == 3 {
			break
		}
		var report strings.Builder
		if *stop {
			t.Fatalf("seed=%d commit=%d %s: %s", failed.Seed, failed.Violation.Commit, failed.Violation.Invariant, failed.Violation.What)
		}
		Report(&report, failed)
		t.Errorf("\n%s", &report)
	}
	if *stop || many < *seeds { // too few to meet every kind of fault
		return
	}
	for _, kind := range summary.Unmet() {
		t.Errorf("no seed met the fault %s", kind)
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	differs := map[uint64]bool{}
	many := uint64(200)
	if raceDetector {
		many = underRace
	}
	for seed := range many {
		first, second := Run(seed, nil, nil), Run(seed, nil, nil)
		if first.Hash != second.Hash || first.Steps != second.Steps || first.Commits != second.Commits || first.Faults != second.Faults {
			t.Errorf("seed %d: %d steps with hash %x, then %d with %x", seed, first.Steps, first.Hash, second.Steps, second.Hash)
		}
		differs[first.Hash] = true
	}
	if uint64(len(differs)) != many {
		t.Errorf("%d seeds leave %d traces", many, len(differs))
	}
}

func TestMutants(t *testing.T) {
	mutants, err := Mutants(os.DirFS("testdata/mutants"))
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) < 10 {
		t.Errorf("there are %d mutants", len(mutants))
	}
	for _, m := range mutants {
		source, err := os.ReadFile("../../" + m.File)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := m.Apply(source); err != nil {
			t.Error(err)
		}
	}
	if *all && !HuntMutants(os.Stdout, "../..", "") {
		t.Error("a mutant was not caught")
	}
}

// A bug that is planted is found by the same tests that pass without it.
func TestHunt(t *testing.T) {
	mutants, err := Mutants(os.DirFS("testdata/mutants"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if m.Name != "credit-before-fact" {
			continue
		}
		hunt, err := m.Hunt("../..")
		if err != nil || !hunt.Caught || hunt.Invariant != "I1" {
			t.Errorf("caught: %v by %s (%v)\n%s", hunt.Caught, hunt.Invariant, err, hunt.Output)
		}
		return
	}
	t.Error("there is no mutant to hunt")
}

// The faults of a run, given back to it, make the same run; without them it is
// another.
func TestReplay(t *testing.T) {
	for seed := range uint64(20) {
		whole := Run(seed, nil, nil)
		if again := Run(seed, only(whole.Injected), nil); again.Hash != whole.Hash {
			t.Errorf("seed %d: its own faults leave another trace", seed)
		}
		without := Run(seed, only(nil), nil)
		if without.Violation != nil || len(without.Injected) != 0 {
			t.Errorf("seed %d without faults: %d faults, %+v", seed, len(without.Injected), without.Violation)
		}
		if without.Hash == whole.Hash {
			t.Errorf("seed %d: its %d faults change nothing", seed, len(whole.Injected))
		}
	}
}

// What the simulation takes from template.yaml is what stands there.
func TestSettings(t *testing.T) {
	parsed, err := template.Parse(huitou.Template, nil)
	if err != nil {
		t.Fatal(err)
	}
	type event struct {
		Type       string
		Properties struct{ BatchSize template.Int }
	}
	s := simulate(1, draw(1), nil, nil)
	lines := map[string]*line{convertOrders: s.orders, issueCoupons: s.coupons, sendMessages: s.messages, payPrizes: s.payouts, welcomeFriends: s.friends}
	type function struct {
		Timeout template.Int
		Events  map[string]event
	}
	read := func(name string) (f function) {
		t.Helper()
		resource, ok := parsed.Resource(name)
		if !ok {
			t.Fatalf("the template has no %s", name)
		}
		properties, err := parsed.Function(resource)
		if err != nil {
			t.Fatal(err)
		}
		if err := template.Decode(properties, &f, false); err != nil {
			t.Fatal(err)
		}
		return f
	}
	for name, timeout := range timeouts {
		function := read(name)
		if got := time.Duration(function.Timeout) * time.Second; got != timeout {
			t.Errorf("%s: a timeout of %s, simulated as %s", name, got, timeout)
		}
		for _, event := range function.Events {
			if event.Type == "SQS" && int(event.Properties.BatchSize) != lines[name].batch {
				t.Errorf("%s: batches of %d, simulated as %d", name, event.Properties.BatchSize, lines[name].batch)
			}
		}
	}
	// Nobody is told a last "no" before the latest write of a redemption, or of a
	// friend's proof, that began before a freeze was written.
	proof := time.Duration(read("WelcomeFriends").Timeout) * time.Second
	if late := 2*maxSkew + timeouts[operate] + max(timeouts[redeemCard], proof) + 2*maxFlight; late >= cards.SettlingTime {
		t.Errorf("a redemption lands up to %s after the end of its batch, which settles in %s", late, cards.SettlingTime)
	}
	for name, line := range map[string]*line{"OrdersQueue": s.orders, "CouponsQueue": s.coupons, "MessagesQueue": s.messages, "PayoutsQueue": s.payouts, "FriendsQueue": s.friends} {
		resource, _ := parsed.Resource(name)
		properties, err := parsed.Resolve(resource.Properties)
		if err != nil {
			t.Fatal(err)
		}
		var queue struct {
			VisibilityTimeout template.Int
			RedrivePolicy     struct {
				MaxReceiveCount template.Int `json:"maxReceiveCount"`
			}
		}
		if err := template.Decode(properties, &queue, false); err != nil {
			t.Fatal(err)
		}
		if got := time.Duration(queue.VisibilityTimeout) * time.Second; got != line.visibility || int(queue.RedrivePolicy.MaxReceiveCount) != line.maxReceive {
			t.Errorf("%s: hidden for %s and received %d times, simulated as %s and %d", name, got, queue.RedrivePolicy.MaxReceiveCount, line.visibility, line.maxReceive)
		}
	}
}
