package main

import (
	"net/http"
	"testing"
	"time"
)

// A change of the rules that waits for its time, asked about before it is
// made, through the whole stack.
func TestAChangeOfRulesThroughTheWholeStack(t *testing.T) {
	p := start(t, t.TempDir(), empty)
	schema := p.do(t, http.MethodGet, "/program.schema.json", nil, nil)
	var published struct {
		ID string `json:"$id"`
	}
	schema.read(t, http.StatusOK, &published)
	if published.ID != "https://huitou.dev/program.schema.json" {
		t.Errorf("the schema is %s", schema.body)
	}
	member := p.member(t, buyerOf("program-1"))
	paid := time.Now().Add(-time.Hour).Truncate(time.Second)
	p.order(t, milk("PROGRAM-1", "program-1", 10_000, paid))
	p.rest(t)

	var rules map[string]any
	p.get(t, "/v1/program/versions/0", &rules)
	delete(rules, "version")
	delete(rules, "effective_at")
	rules["points"].(map[string]any)["rate"] = map[string]any{"points": 3, "per_fen": 100}
	var asked struct {
		Totals  struct{ Held struct{ Then, Proposed int } }
		Members struct{ Better int }
		Next    string `json:"next_cursor"`
	}
	question := map[string]any{"document": rules, "from": paid, "to": paid.Add(time.Second)}
	p.post(t, "/v1/program/simulation", question).read(t, http.StatusOK, &asked)
	if asked.Totals.Held.Then != 100 || asked.Totals.Held.Proposed != 300 || asked.Members.Better != 1 || asked.Next != "" {
		t.Errorf("the simulation says %+v", asked)
	}

	change := time.Now().Add(time.Hour).Truncate(time.Second)
	rules["effective_at"] = change
	if a := p.put(t, "/v1/program", rules); a.status != http.StatusOK {
		t.Fatalf("the change is answered %d %s", a.status, a.body)
	}
	p.order(t, milk("PROGRAM-2", "program-1", 10_000, change.Add(time.Minute)))
	p.order(t, milk("PROGRAM-3", "program-1", 10_000, change.Add(-time.Minute))) // later, of before
	p.rest(t)
	if got, want := p.balance(t, member), (balance{Pending: 500}); got != want {
		t.Errorf("the member has %+v, want %+v", got, want)
	}
}
