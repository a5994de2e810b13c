package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// Growth is what one firing of settlepoints takes for all that is due, among so
// many members.
type Growth struct {
	Work      string  `json:"work"`
	Members   int     `json:"members"`
	Due       int     `json:"due"`
	Units     Units   `json:"units"` // of the whole firing
	Seconds   float64 `json:"seconds"`
	HeapBytes int64   `json:"heap_bytes"` // live beyond the engine's table, the most that was seen
}

const (
	growthDue = 10_000
	// growthHeap is how much a firing may keep beyond the engine's table.
	growthHeap = 64 << 20
	// glances is how often the heap is looked at during a firing.
	glances = 4
)

// growthSizes are how many members there are.
var growthSizes = []int{10_000, 100_000, 1_000_000}

// measureGrowth settles one order of each of so many members, and lets go of
// the lot that it became, while nothing is due of the others. It looks at the
// heap unless glances is 0.
func measureGrowth(ctx context.Context, members, due, glances int) (rows []Growth, err error) {
	s, err := openShop(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.engine.Close()) }()
	if err := errors.Join(s.crowd(members-due), s.due(due)); err != nil {
		return nil, err
	}
	for _, firing := range []struct {
		work string
		at   time.Time
		left points.Balance
	}{
		{"settlement of an order each", settledAt, points.Balance{Available: 398}},
		{"expiry of a lot each", lotOver, points.Balance{}},
	} {
		row, err := s.fired(firing.at, due, glances)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", firing.work, err)
		}
		row.Work, row.Members, row.Due = firing.work, members, due
		accounts, err := s.store.Accounts(ctx, table.Strong, s.members[0], s.members[due-1])
		if err != nil {
			return nil, err
		}
		for _, account := range accounts {
			if account.Balance != firing.left {
				return nil, fmt.Errorf("%s left %+v", firing.work, account.Balance)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// due makes a shop of so many members with an order each, whose points will end.
func (s *shop) due(members int) error {
	if err := s.engine.Write(s.ctx, store.PutProgram(expiring())); err != nil {
		return err
	}
	for i := len(s.members); i < members; i++ {
		member, _, err := enrolment.Enrol(s.ctx, s.store, enrolment.Request{
			Identities: []enrolment.Identity{{Identity: identity(i)}}, Consents: []loyalty.Consent{loyalty.ConsentMembership},
		}, s.random, paidAt.AddDate(0, 0, -1))
		if err != nil {
			return err
		}
		s.members = append(s.members, member)
	}
	return s.bought(members, unplanned)
}

// crowd writes the accounts of members who bought later than anybody looks, as
// an order would have left them.
func (s *shop) crowd(members int) error {
	const batch = 100
	later := lotOver.AddDate(0, 1, 0)
	var joins, orders []table.Action
	for i := range members {
		member := loyalty.MemberID(fmt.Sprintf("mcrowd%016d", i))
		joins = append(joins, store.CreateAccount(member, store.Profile{}, []loyalty.Consent{loyalty.ConsentMembership}, paidAt)[0])
		changes, _ := store.Credit([]points.Entry{{Kind: points.EntryEarn, Pending: 398}}, store.Account{Member: member})
		calls, _ := store.AskBoth(store.Account{Member: member}, later, later)
		last, _ := store.LastPurchase(regular, later, loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: orderID(i)})
		for _, more := range [][]table.Change{
			calls, last, store.CountOrder(1, 39_800, 0), store.CountPurchase(regular, 1, 2),
			{store.Home("tmall"), store.FirstPurchase(regular, later)},
		} {
			changes = append(changes, more...)
		}
		orders = append(orders, store.UpdateAccount(member, changes))
		if len(joins) < batch && i < members-1 {
			continue
		}
		if err := errors.Join(s.engine.Write(s.ctx, joins...), s.engine.Write(s.ctx, orders...)); err != nil {
			return err
		}
		joins, orders = joins[:0], orders[:0]
	}
	return nil
}

// fired is one firing, which writes once for each that is due.
func (s *shop) fired(at time.Time, due, glances int) (Growth, error) {
	w := &watched{Table: s.engine}
	if glances > 0 {
		w.every = due / glances
	}
	f := s.settle()
	f.Store = store.Store{Table: w}
	before := w.live()
	w.looking = 0
	began := time.Now()
	units, err := s.metered(1, func(ctx context.Context) error { return f.Handle(ctx, schedule.Tick{Time: at}) })
	took := time.Since(began) - w.looking
	if err == nil && w.writes != due {
		err = fmt.Errorf("%d writes for %d that are due", w.writes, due)
	}
	grown := w.live() - before // by the table alone: nothing of the firing is left
	var most int64
	for i, live := range w.seen {
		most = max(most, live-before-grown*int64((i+1)*w.every)/int64(due))
	}
	return Growth{Units: units, Seconds: took.Seconds(), HeapBytes: most}, err
}

// watched is a table that looks at the heap every so many writes.
type watched struct {
	table.Table
	every, writes int
	seen          []int64
	looking       time.Duration // how long that took
}

func (w *watched) Write(ctx context.Context, actions ...table.Action) error {
	err := w.Table.Write(ctx, actions...)
	w.writes++
	if w.every > 0 && w.writes%w.every == 0 {
		w.seen = append(w.seen, w.live())
	}
	return err
}

// live is what the heap holds that is still of use.
func (w *watched) live() int64 {
	began := time.Now()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	w.looking += time.Since(began)
	return int64(memory.HeapAlloc) // #nosec G115 -- far below
}
