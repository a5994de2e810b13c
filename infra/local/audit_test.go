package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type act struct {
	ID, Operator, Role, Action, Resource, Outcome, Code, Reason string
	At                                                          time.Time
	Status                                                      int
}

// acts is what was done under a path, newest first.
func (p *process) acts(t *testing.T, under string) (acts []act) {
	t.Helper()
	for _, a := range listed[act](t, p, "/v1/audit") {
		if strings.HasPrefix(a.Resource, under) {
			acts = append(acts, a)
		}
	}
	return acts
}

// Under the roles of the template, through the gateway, and after a restart.
func TestOperatorsActsAreKept(t *testing.T) {
	folder := t.TempDir()
	p := start(t, folder, empty)
	began := time.Now()
	batch := p.batch(t, "audited", 2, 50, began.Add(-time.Hour), began.Add(time.Hour))
	p.activate(t, batch)
	freeze := operator(p.token)
	for range 2 {
		p.do(t, http.MethodPost, "/v1/card-batches/"+batch+"/freeze", freeze, nil).read(t, http.StatusOK, nil)
	}
	acts := p.acts(t, "/v1/card-batches/"+batch+"/")
	var got []string
	for i, a := range acts {
		got = append(got, a.Action+" "+a.Role+" "+a.Outcome)
		if a.At.Before(began.Add(-time.Second)) || a.At.After(time.Now().Add(time.Second)) || i > 0 && a.At.After(acts[i-1].At) {
			t.Errorf("act %d was at %v", i, a.At)
		}
	}
	if diff := cmp.Diff([]string{"card-batch.freeze admin accepted", "card-batch.activate operator accepted", "card-batch.activate operator accepted", "card-batch.activate operator accepted"}, got); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	// The first tried to be the second too.
	if got := []string{acts[1].Operator, acts[2].Operator, acts[3].Operator}; !cmp.Equal(got, []string{"second." + batch, "first." + batch, "first." + batch}) {
		t.Errorf("activated by %v", got)
	}
	viewer := p.named(t, "audit-viewer", "viewer")
	refusal(t, "a viewer", p.do(t, http.MethodGet, "/v1/audit", operator(viewer), nil), http.StatusForbidden)
	token := p.token
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	p = start(t, folder, empty)
	if p.token != token {
		t.Fatal("another token")
	}
	if diff := cmp.Diff(acts, p.acts(t, "/v1/card-batches/"+batch+"/")); diff != "" {
		t.Errorf("after a restart (-before +after):\n%s", diff)
	}
}
