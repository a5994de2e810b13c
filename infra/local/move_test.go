package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/infra/cli"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

// bring runs `huitou members import` and gives its report.
func (p *process) bring(t *testing.T, file string) cli.MembersReport {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), []string{"members", "import", "--json", "--url", p.address, "--token", p.token, "--source", "oldcrm", file}, cli.Console{Out: &out, Err: &errs})
	var report cli.MembersReport
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || code != 0 {
		t.Fatalf("the import ends with %d: %v\n%s%s", code, err, out.String(), errs.String())
	}
	return report
}

// past is an event of history: what events hold, and the mark.
type past struct {
	event
	History bool `json:"history"`
}

// history sends events, some at a time, those of one list in its order.
func (p *process) history(t *testing.T, lists [][]event) {
	t.Helper()
	waiting := make(chan []event)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for list := range waiting {
				for _, e := range list {
					body, err := json.Marshal(past{e, true})
					if err != nil {
						t.Error(err)
						continue
					}
					header, err := sign(p.secret, "msg_"+e.OrderID+e.Type, time.Now(), body)
					if err != nil {
						t.Error(err)
						continue
					}
					if a, err := p.call(http.MethodPost, genericHook, header, body); err != nil || a.status != http.StatusAccepted {
						t.Errorf("the hook answers %d %s, %v", a.status, a.body, err)
					}
				}
			}
		})
	}
	for _, list := range lists {
		waiting <- list
	}
	close(waiting)
	group.Wait()
	p.rest(t)
}

// messages counts everything that was handed to senders.
func (p *process) messages(t *testing.T) (count int) {
	t.Helper()
	cursor := ""
	for {
		var page struct {
			Items []message `json:"items"`
			Next  string    `json:"next_cursor"`
		}
		p.do(t, http.MethodGet, "/_local/outbox?limit=1000"+cursor, nil, nil).read(t, http.StatusOK, &page)
		count += len(page.Items)
		if page.Next == "" {
			return count
		}
		cursor = "&cursor=" + url.QueryEscape(page.Next)
	}
}

// A brand moves: 1,000 members with 5,000 orders come, the last of half of them
// such that the reminder falls due on the day of the import. Nobody is written
// to; who falls due later is, then, as ever. Balances are those of the file to
// the point, whichever of members and orders comes first, and all of it again
// adds nothing.
func TestABrandMoves(t *testing.T) {
	const count, each = 1_000, 5
	folder := t.TempDir()
	p := start(t, folder, empty)
	now := time.Now().In(shanghai)
	zero := time.Date(now.Year(), now.Month(), now.Day()+1, 12, 0, 0, 0, shanghai)
	p.clock(t, zero)

	var rows strings.Builder
	rows.WriteString("\ufeffbuyer:tmall,phone,points,growth,joined_at,consents\n")
	var lists [][]event
	var issued int64
	var paid, refunded loyalty.Fen
	later := 0
	for i := range count {
		buyer := fmt.Sprintf("b-%d", i)
		fmt.Fprintf(&rows, "%s,138%08d,%d@%s;%d,,2023-05-01,membership marketing\n", buyer, i, 100+i, zero.AddDate(1, 0, 0).Format(time.DateOnly), i%3)
		issued += int64(100 + i + i%3)
		lastDays := 21 // due on the day of the import
		switch i % 4 {
		case 1: // due three days ago, and not yet used up
			lastDays = 24
		case 3: // due in ten days
			lastDays = 11
			later++
		}
		for n := range each {
			at := zero.AddDate(0, 0, -lastDays-90*n).Add(-time.Duration(n) * time.Hour)
			order := milk(fmt.Sprintf("H%d-%d", i, n), buyer, 10_000+i, at)
			paid += loyalty.Fen(10_000 + i)
			list := []event{order}
			switch n {
			case 1:
				list = append(list, completed(order.OrderID, at.AddDate(0, 0, 5)))
			case 2:
				list = append(list, refundOf(order.OrderID, "r", 1_001, at.AddDate(0, 0, 6)))
				refunded += 1_001
			}
			lists = append(lists, list)
		}
	}
	file := filepath.Join(t.TempDir(), "members.csv")
	if err := os.WriteFile(file, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	// Half of the orders come before the members and wait for them.
	began := time.Now()
	p.history(t, lists[:len(lists)/2])
	report := p.bring(t, file)
	p.history(t, lists[len(lists)/2:])
	t.Logf("%d members and %d orders in %s", count, count*each, time.Since(began).Round(time.Second))
	if report.Imported != count || report.New != count || report.Points != issued || len(report.Refused) != 0 {
		t.Errorf("report %+v", report)
	}
	quiet := func(when string) {
		t.Helper()
		if n := p.messages(t); n != 0 {
			t.Errorf("%s: %d messages", when, n)
		}
	}
	quiet("after the import")
	p.do(t, http.MethodPost, "/_local/schedules/RemindRepurchase/Hourly?time="+url.QueryEscape(instant(zero.Add(time.Hour))), nil, nil).read(t, http.StatusOK, nil)
	p.rest(t)
	quiet("after a tick")
	p.clock(t, zero.Add(36*time.Hour))
	quiet("two days later")

	member := func(i int) string {
		var found struct {
			ID string `json:"member_id"`
		}
		p.post(t, "/v1/members", map[string]any{"identities": []identity{buyerOf(fmt.Sprintf("b-%d", i))}}).read(t, http.StatusOK, &found)
		return found.ID
	}
	if r := p.reminder(t, member(0)); r.State != "skipped" || r.Reason != "history" {
		t.Errorf("due on the day of the import: %+v", r)
	}
	if r := p.reminder(t, member(3)); r.State != "scheduled" {
		t.Errorf("due later: %+v", r)
	}
	// A live refund of an order of history takes nothing back; a live order earns.
	p.order(t, refundOf("H7-0", "live", 5_000, zero))
	p.order(t, milk("LIVE", "b-8", 19_900, zero))
	p.rest(t)
	refunded += 5_000
	if got, want := p.balance(t, member(7)), (balance{Available: 107 + 7%3}); got != want {
		t.Errorf("after the refund: %+v, want %+v", got, want)
	}
	if got, want := p.balance(t, member(8)), (balance{Available: 108 + 8%3, Pending: 199}); got != want {
		t.Errorf("after a live order: %+v, want %+v", got, want)
	}
	paid += 19_900
	kinds := kindsOf(p.ledger(t, member(7)))
	if strings.Count(kinds, "opening") != 1 || strings.Count(kinds, "claw") != 0 {
		t.Errorf("ledger %s", kinds)
	}

	// All of it again.
	p.bring(t, file)
	p.history(t, lists)
	p.clock(t, zero.AddDate(0, 0, 12))
	// b-7's goods went back in part only; b-8 has bought live, for later.
	if n := p.messages(t); n != later {
		t.Errorf("%d messages twelve days later, want %d", n, later)
	}
	for _, q := range p.queues(t) {
		if q.Dead > 0 {
			t.Errorf("dead letters: %+v", q)
		}
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	sum := auditAccounts(t, folder)
	want := whole{Members: count, Orders: count*each + 1, Paid: paid, Refunded: refunded, Available: loyalty.Points(issued), Pending: 199}
	if diff := cmp.Diff(want, sum); diff != "" {
		t.Errorf("all accounts (-want +got):\n%s", diff)
	}
}

// whole is what all accounts come to.
type whole struct {
	Members            int
	Orders             int64
	Paid, Refunded     loyalty.Fen
	Available, Pending loyalty.Points
}

// auditAccounts holds every account in a table that nobody runs on against the
// fold of its entries: counters, lots and growth value.
func auditAccounts(t *testing.T, folder string) (sum whole) {
	t.Helper()
	inTable(t, folder, func(s store.Store, item table.Item) {
		member, isAccount := table.MemberOfAccount(item.Key)
		if !isAccount {
			return
		}
		account, err := store.ReadAccount(member, item)
		if err != nil {
			t.Fatal(err)
		}
		var fold points.Account
		growth := map[string]loyalty.Points{}
		for cursor := ""; ; {
			records, next, err := s.History(t.Context(), member, 100, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, record := range records {
				for _, entry := range record.Entries {
					fold = fold.Plus(entry)
					if entry.Growth != nil {
						growth[entry.Growth.Month] += entry.Growth.Counting
					}
				}
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(fold.Lots, account.Lots); fold.Balance != account.Balance || diff != "" || cmp.Diff(growth, account.Growth) != "" {
			t.Errorf("%s: the entries add up to %+v, the counters are %+v; lots %s", member, fold.Balance, account.Balance, diff)
		}
		sum.Members++
		sum.Orders += account.Orders
		sum.Paid += account.Paid
		sum.Refunded += account.Refunded
		sum.Available += account.Balance.Available
		sum.Pending += account.Balance.Pending
	})
	return sum
}

// `huitou orders import --history` marks what it sends.
func TestImportOfHistory(t *testing.T) {
	folder := t.TempDir()
	p := start(t, folder, empty)
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), []string{
		"orders", "import", "--channel", "tmall", "--history", "--url", p.address, "--secret", p.secret,
		fixtures + "tmall_list.gbk.csv", fixtures + "tmall_detail.gbk.csv",
	}, cli.Console{Out: &out, Err: &errs})
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	p.rest(t)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	engine, err := embedded.Open(filepath.Join(folder, "table"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	for _, id := range []string{"3301000000000000001", "3301000000000000002", "3301000000000000004"} {
		key := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: id}
		log, err := store.Store{Table: engine}.Log(t.Context(), key)
		if order := points.Replay(key, log); err != nil || !order.History() || order.Granted() != 0 {
			t.Errorf("%s: %v, %+v", id, err, log)
		}
	}
}
