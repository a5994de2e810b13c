package main

import (
	"net/http"
	"testing"
	"time"
)

// Under the roles of the template: what two members are owed, with their ledgers
// read as well.
func TestTheLiabilityThroughTheWholeStack(t *testing.T) {
	p := start(t, t.TempDir(), empty)
	for _, name := range []string{"one", "two"} {
		member := p.member(t, openID(name))
		var issued struct{ Token string }
		p.post(t, "/v1/members/"+member+"/tokens", nil).read(t, http.StatusCreated, &issued)
		p.do(t, http.MethodPost, "/v1/me/check-ins", operator(issued.Token), nil).read(t, http.StatusCreated, nil)
	}
	viewer := p.named(t, "report-viewer", "viewer")
	var report struct {
		Members, Issued, Available, Outstanding, Difference int64
		NeverEnding                                         int64 `json:"never_ending"`
		Reconciliation                                      struct{ Facts, Differ, Difference int64 }
	}
	path := "/v1/reports/liability?reconcile=true"
	for deadline := time.Now().Add(2 * time.Second); ; { // an index may be behind
		p.do(t, http.MethodGet, path, operator(viewer), nil).read(t, http.StatusOK, &report)
		if report.Reconciliation.Differ == 0 || time.Now().After(deadline) {
			break
		}
	}
	if report.Members != 2 || report.Issued != 2 || report.Available != 2 || report.Outstanding != 2 || report.NeverEnding != 2 || report.Difference != 0 {
		t.Errorf("%+v", report)
	}
	if c := report.Reconciliation; c.Facts != 2 || c.Differ != 0 || c.Difference != 0 {
		t.Errorf("the ledger: %+v", c)
	}
}
