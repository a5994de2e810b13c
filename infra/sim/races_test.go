package sim

import (
	"flag"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

var races = flag.Uint64("races", 1000, "how many races for one card TestRaces runs")

// racesUnderRace is how many are run with the race detector.
const racesUnderRace = 100

// card is one card as the specification of a redemption knows it.
type card struct {
	holder   int    // of the people; nobody before the first redemption
	kept     bool   // redeemed by a typed phone
	claimed  bool   // and by now the member's who owns the phone
	withheld bool   // its owner was refused it for good
	closed   bool   // for good, by a "no" to somebody
	at       string // the date that all are told, once somebody was
}

const nobody = -1

// owner tells whether the card is the person's, by the way in which he asks.
func (c card) owner(call Call) bool {
	switch {
	case c.holder != call.Who:
		return false
	case call.Way == byPhone:
		return c.kept
	}
	return !c.kept || c.claimed
}

// oneCard is a card to which calls come one after the other: the first who asks
// gets it, he alone gets it again, and after a 404 nobody gets it who had not.
var oneCard = porcupine.Model{
	Init: func() any { return card{holder: nobody} },
	Step: func(state, input, output any) (bool, any) {
		c, call := state.(card), input.(Call)
		heir := c.kept && !c.claimed && !c.withheld && call.Way == byToken && c.holder == call.Who
		switch call.Status {
		case http.StatusOK, 0:
			// Without an answer it may have been done at any time, or never.
			switch {
			case c.holder == nobody && !c.closed:
				c.holder, c.kept = call.Who, call.Way == byPhone
			case heir:
				c.claimed = true
			case call.Status == 0:
				return true, c
			case !c.owner(call):
				return false, c
			}
			if call.Status == 0 {
				return true, c
			}
			if c.at == "" {
				c.at = call.RedeemedAt
			}
			return c.at == call.RedeemedAt, c
		case http.StatusConflict:
			return c.holder != nobody && !c.owner(call) && !heir, c
		case http.StatusNotFound:
			switch {
			case c.holder == nobody:
				c.closed = true
			case c.owner(call):
				return false, c
			case heir:
				c.withheld = true
			}
			return true, c
		}
		return false, c
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
}

// linearizable asks porcupine. Calls without an answer are always allowed to come
// last, so that leaving some out can make a good history look bad, and never a
// bad one good; the search would drown in them. Those that could matter stay:
// the first of each way of whoever was told "yes".
//
// In a few histories it drowns all the same, where it takes a claim for earlier
// than it was and turns over what dozens did meanwhile. These are shortened: of
// the 409s to people who are never told "yes" the one that was answered first is
// kept. What it says stays true, so each later one can come in as it is answered.
func linearizable(calls []Call) porcupine.CheckResult {
	yes, lost, taken := map[int]bool{}, map[[2]int]int64{}, int64(math.MaxInt64)
	for _, call := range calls {
		yes[call.Who] = yes[call.Who] || call.Status == http.StatusOK
	}
	for _, call := range calls {
		if way := [2]int{call.Who, int(call.Way)}; call.Status == 0 && (lost[way] == 0 || call.Began < lost[way]) {
			lost[way] = call.Began
		}
		if call.Status == http.StatusConflict && !yes[call.Who] {
			taken = min(taken, call.Answered)
		}
	}
	var all, short []porcupine.Operation
	for i, call := range calls {
		if call.Status == 0 && (!yes[call.Who] || call.Began != lost[[2]int{call.Who, int(call.Way)}]) {
			continue
		}
		operation := porcupine.Operation{ClientId: i, Input: call, Call: call.Began, Return: call.Answered}
		all = append(all, operation)
		if call.Status != http.StatusConflict || yes[call.Who] || call.Answered == taken {
			short = append(short, operation)
		}
	}
	if verdict := porcupine.CheckOperationsTimeout(oneCard, all, time.Second); verdict != porcupine.Unknown {
		return verdict
	}
	return porcupine.CheckOperationsTimeout(oneCard, short, 2*time.Minute)
}

// In each race for a card there is one winner, the history is one that calls
// one after the other could have made, and who is told "no" for good has not
// got the card. At the end of a window there may be no winner at all.
func TestRaces(t *testing.T) {
	many := *races
	if raceDetector {
		many = min(many, racesUnderRace)
		t.Logf("the race detector is on: %d of %d races; make sim runs all without it", many, *races)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // worlds of a few milliseconds
	began := time.Now()
	var next, inTime, won, calls, lost, refused, violations atomic.Uint64
	var steps, faults atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				seed := next.Add(1)
				if seed > many || violations.Load() > 3 {
					return
				}
				race := RunRace(seed, nil)
				calls.Add(uint64(len(race.Calls)))
				steps.Add(int64(race.Steps))
				for _, n := range race.Faults {
					faults.Add(int64(n))
				}
				for _, call := range race.Calls {
					switch call.Status {
					case 0:
						lost.Add(1)
					case http.StatusNotFound:
						refused.Add(1)
					}
				}
				if race.InTime {
					inTime.Add(1)
				}
				won.Add(uint64(race.Winners))
				switch verdict := linearizable(race.Calls); {
				case race.Violation != nil:
					t.Errorf("seed %d: %s: %s", seed, race.Violation.Invariant, race.Violation.What)
				case race.Winners > 1 || race.InTime && race.Winners != 1:
					t.Errorf("seed %d: %d winners", seed, race.Winners)
				case verdict != porcupine.Ok:
					t.Errorf("seed %d: the history is not linearizable (%s)", seed, verdict)
				default:
					continue
				}
				violations.Add(1)
			}
		})
	}
	workers.Wait()
	t.Logf("races: seeds=%d in-window=%d at-an-end=%d scans=%d calls=%d unanswered=%d told-404=%d winners=%d steps=%d faults=%d linearizable=%d violations=%d seconds=%.1f",
		many, inTime.Load(), many-inTime.Load(), many*scans, calls.Load(), lost.Load(), refused.Load(), won.Load(), steps.Load(), faults.Load(),
		many-violations.Load(), violations.Load(), time.Since(began).Seconds())
	if won.Load() < inTime.Load() || won.Load() == many || inTime.Load() == many || lost.Load() == 0 {
		t.Error("these were no races: no call went without an answer, or no card stayed without an owner")
	}
}

// The specification can say no.
func TestTheSpecificationRefusesWhatMustNotBe(t *testing.T) {
	yes := func(who, began int) Call {
		return Call{Who: who, Way: byOpenID, Began: int64(began), Answered: int64(began + 5), Status: http.StatusOK, RedeemedAt: "t"}
	}
	no := func(who, status, began int) Call {
		return Call{Who: who, Way: byOpenID, Began: int64(began), Answered: int64(began + 5), Status: status}
	}
	lost := func(who, began int) Call {
		return Call{Who: who, Way: byOpenID, Began: int64(began), Answered: math.MaxInt64}
	}
	later := yes(1, 10)
	later.RedeemedAt = "u"
	for name, c := range map[string]struct {
		calls []Call
		want  porcupine.CheckResult
	}{
		"a winner and a loser":             {[]Call{yes(1, 0), no(2, 409, 10), yes(1, 20)}, porcupine.Ok},
		"two winners":                      {[]Call{yes(1, 0), yes(2, 10)}, porcupine.Illegal},
		"another date":                     {[]Call{yes(1, 0), later}, porcupine.Illegal},
		"taken before anybody asked":       {[]Call{no(2, 409, 0), yes(1, 10)}, porcupine.Illegal},
		"taken by a call without answer":   {[]Call{lost(1, 0), no(2, 409, 10), yes(1, 20)}, porcupine.Ok},
		"a gift after a no to everybody":   {[]Call{no(2, 404, 0), yes(1, 10)}, porcupine.Illegal},
		"a no to the owner":                {[]Call{yes(1, 0), no(1, 404, 10)}, porcupine.Illegal},
		"a late write after a no for good": {[]Call{lost(1, 0), no(1, 404, 10), no(2, 409, 20), yes(1, 30)}, porcupine.Illegal},
	} {
		if got := linearizable(c.calls); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
