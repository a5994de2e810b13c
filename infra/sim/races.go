package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// scans is how often the one card of a race is asked for.
const scans = 64

// raceFaults is how long faults go on after a race has begun: until late writes
// have landed among the second tries of those who got no answer.
const raceFaults = 15 * time.Second

// Race is what came of one race for one card.
type Race struct {
	Result
	Calls   []Call
	Winners int  // people whose last answer was "yes"
	InTime  bool // all asked within the window of a batch that nobody froze
}

// Call is one request for the card.
type Call struct {
	Who             int // of the people of the race
	Way             way
	Began, Answered int64  // virtual nanoseconds; Answered is math.MaxInt64 where no answer came that says anything
	Status          int    // 0 where no such answer came
	RedeemedAt      string // in a 200
}

// RunRace lets 64 scans of one card meet, with all the faults of Run. Half of
// the races are in the middle of the window; the others at its end or at a
// freeze. A trace, if not nil, gets a line for each step.
func RunRace(seed uint64, trace io.Writer) Race {
	p := drawRace(seed)
	s := simulate(seed, p, nil, trace)
	defer s.leave()
	race := Race{InTime: true}
	people := map[*person]int{}
	for n, who := range p.people {
		people[who] = n
	}
	s.called = func(a *ask, began int64, status int, body string) {
		call := Call{Who: people[a.by], Way: a.way, Began: began, Answered: math.MaxInt64}
		if status != 0 && status < http.StatusInternalServerError {
			call.Answered, call.Status = s.nanos, status
		}
		var answer struct {
			RedeemedAt string `json:"redeemed_at"`
		}
		if status == http.StatusOK && json.Unmarshal([]byte(body), &answer) == nil {
			call.RedeemedAt = answer.RedeemedAt
		}
		race.Calls = append(race.Calls, call)
	}
	s.setUp()
	began := s.now()
	for _, a := range p.asks {
		race.InTime = race.InTime && a.at.Before(p.batch.ValidTo.Add(-time.Hour))
		s.at(a.at, func() { s.redeem(a) })
	}
	if !p.frozenAt.IsZero() {
		race.InTime = false
		s.freezes = p.frozenAt
		s.at(p.frozenAt, func() {
			s.frozen = true
			s.freezeBatch()
		})
	}
	s.at(p.asks[0].at.Add(raceFaults), func() { s.faults.off, s.calm = true, true })
	s.drain()
	if s.violation == nil {
		s.finishCards(s.members(), map[loyalty.MemberID]loyalty.Points{})
	}
	winners := map[*person]bool{}
	for _, a := range p.asks {
		if len(a.told) > 0 && a.told[len(a.told)-1].status == http.StatusOK {
			winners[a.by] = true
		}
	}
	race.Winners = len(winners)
	race.Result = s.result(began)
	return race
}

// drawRace plans 64 scans of one card by some dozen people within two seconds.
func drawRace(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 5))
	p := &plan{}
	p.drawRules(r)
	for i := range 8 + r.IntN(24) {
		p.people = append(p.people, &person{
			name:     fmt.Sprint("person-", i),
			buyer:    loyalty.Identity{Kind: loyalty.IdentityBuyer, Channel: "tmall", Value: fmt.Sprint("buyer-", i)},
			openID:   loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: fmt.Sprint("openid-", i)},
			phone:    fmt.Sprintf("138%08d", i),
			consents: []loyalty.Consent{loyalty.ConsentMembership},
			stranger: r.IntN(2) == 0,
		})
	}
	p.drawCards(r)
	p.drawCampaign(r)
	p.asks = nil
	at := day(1, 13*time.Hour)
	switch r.IntN(4) {
	case 0:
		at = p.batch.ValidTo.Add(-time.Duration(r.IntN(70_000)) * time.Millisecond)
	case 1:
		p.frozenAt = at.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
	}
	card := r.IntN(p.batch.Count)
	for range scans {
		p.ask(r, card, p.people[r.IntN(len(p.people))], at.Add(time.Duration(r.IntN(2000))*time.Millisecond))
	}
	return p
}
