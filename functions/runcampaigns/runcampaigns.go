// Package runcampaigns starts the campaigns that are due: it puts one message
// for each shard of the members on the queue of issuecoupons.
package runcampaigns

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/huitou/huitou/shared/audience/rule"
	"github.com/huitou/huitou/shared/campaign"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/schedule"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// Function is called by a schedule.
type Function struct {
	Store   store.Store
	Coupons queue.Sender
	Log     *slog.Logger
}

// Handle runs every campaign that is due at the tick's time. A tick without a
// time is refused (schedule.Tick.At).
//
// A run is three steps, each of which a repeat recognises: its terms are frozen
// unless they were before, the messages are sent, and run and campaign are
// marked. A crash between them, or the same tick twice at once, sends messages
// again, which issuecoupons finds done; it loses none. A tick for an earlier
// time than the campaign's last run, be it late or fired by an operator for a
// day that was missed, runs that time's occurrence unless its run is marked, so
// every day can be run again and none runs twice. A campaign that cannot run
// does not hold up the others: Handle runs them all and then fails with what
// went wrong, so that the same tick comes again.
func (f Function) Handle(ctx context.Context, tick schedule.Tick) error {
	now, err := tick.At()
	if err != nil {
		return err
	}
	versions, err := f.Store.Programs(ctx)
	if err != nil {
		return err
	}
	rules := program.At(versions, now)
	var failed error
	for cursor := ""; ; {
		campaigns, next, err := f.Store.Campaigns(ctx, 100, cursor)
		if err != nil {
			return errors.Join(failed, err)
		}
		for _, c := range campaigns {
			occurrence, due := c.Due(now, rules.Zone())
			if !due {
				continue
			}
			if err := f.run(ctx, c, occurrence, rules); err != nil {
				f.Log.ErrorContext(ctx, "campaign failed", slog.String("campaign", c.ID), slog.String("occurrence", occurrence.ID), slog.String("code", code(err)))
				failed = errors.Join(failed, err)
			}
		}
		if next == "" {
			return failed
		}
		cursor = next
	}
}

func (f Function) run(ctx context.Context, c campaign.Campaign, occurrence campaign.Occurrence, rules program.Program) error {
	run, err := f.Store.Run(ctx, c.ID, occurrence.ID)
	if loyalty.KindOf(err) == loyalty.KindNotFound {
		run, err = f.freeze(ctx, c, occurrence, rules)
	}
	if err != nil {
		return err
	}
	if run.Ordered {
		return f.mark(ctx, c, occurrence)
	}
	bodies := make([][]byte, table.RosterShards)
	for shard := range bodies {
		page := campaign.Page{Campaign: run.Campaign, Template: run.Template.ID, Occurrence: run.Occurrence, Shard: shard}
		if bodies[shard], err = json.Marshal(page); err != nil {
			return err
		}
	}
	if err := f.Coupons.Send(ctx, bodies...); err != nil {
		return err
	}
	if err := f.Store.Table.Write(ctx, store.MarkOrdered(run)); err != nil {
		return err
	}
	if err := f.mark(ctx, c, occurrence); err != nil {
		return err
	}
	f.Log.InfoContext(ctx, "campaign runs", slog.String("campaign", c.ID), slog.String("occurrence", occurrence.ID), slog.Time("at", occurrence.At.UTC().Truncate(time.Second)))
	return nil
}

// mark notes the campaign's last occurrence, unless a later one is noted.
func (f Function) mark(ctx context.Context, c campaign.Campaign, occurrence campaign.Occurrence) error {
	if occurrence.At.Before(c.Ran.At) {
		return nil
	}
	err := f.Store.Table.Write(ctx, store.MarkRan(c.ID, campaign.Ran{Occurrence: occurrence.ID, At: occurrence.At}))
	if store.Refused(err) {
		return nil
	}
	return err
}

// freeze writes down what the occurrence gives to whom, unless another firing
// was faster.
func (f Function) freeze(ctx context.Context, c campaign.Campaign, occurrence campaign.Occurrence, rules program.Program) (store.Run, error) {
	definition, _, err := f.Store.Audience(ctx, c.Audience)
	if err != nil {
		return store.Run{}, err
	}
	if _, err := rule.Compile(definition.Rule); err != nil {
		return store.Run{}, err
	}
	template, _, err := f.Store.Template(ctx, c.Template)
	if err != nil {
		return store.Run{}, err
	}
	if err := template.Issuable(); err != nil {
		return store.Run{}, err
	}
	run := store.Run{
		Campaign: c.ID, Occurrence: occurrence.ID, At: occurrence.At, Rule: definition.Rule, Template: template,
		Holdout: c.Holdout, Program: rules.Version, TimeZone: rules.TimeZone,
	}
	err = f.Store.Table.Write(ctx, store.FreezeRun(run))
	if store.Refused(err) {
		return f.Store.Run(ctx, c.ID, occurrence.ID)
	}
	return run, err
}

func code(err error) string {
	if refusal, ok := errors.AsType[*loyalty.Error](err); ok {
		return refusal.Code
	}
	return "internal"
}
