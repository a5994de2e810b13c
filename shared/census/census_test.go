package census_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huitou/huitou/shared/census"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/embedded"
)

func join(t interface{ Fatal(...any) }, s store.Store, members int) (joined []loyalty.MemberID) {
	for i := range members {
		member := loyalty.MemberID(fmt.Sprintf("m%04d", i))
		joined = append(joined, member)
		if err := s.Table.Write(context.Background(), store.CreateAccount(member, store.Profile{}, nil, time.Time{})...); err != nil {
			t.Fatal(err)
		}
	}
	return joined
}

func TestAWalkMeetsEveryMemberOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := store.Store{Table: embedded.Memory()}
		want := join(t, s, rapid.IntRange(0, 300).Draw(t, "members"))
		var met []loyalty.MemberID
		for at := (census.Place{}); !at.Ended(); {
			limit := rapid.IntRange(1, 150).Draw(t, "limit")
			var usage table.Usage
			accounts, next, err := census.Step(table.WithUsage(context.Background(), &usage), s, at, table.Eventual, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(accounts) > min(limit, census.MaxStep) || usage.RoundTrips > 2 || next == at {
				t.Fatalf("at most %d: %d accounts in %d round trips, from %v to %v", limit, len(accounts), usage.RoundTrips, at, next)
			}
			for _, account := range accounts {
				met = append(met, account.Member)
			}
			at = next
		}
		slices.Sort(met)
		if diff := cmp.Diff(want, met); diff != "" {
			t.Errorf("(-joined +met):\n%s", diff)
		}
	})
}

type question struct{ Month string }

type found struct {
	census.Place
	Sum int64
}

func TestACursorBringsBackWhatWasFoundForItsQuestion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		asked := question{rapid.String().Draw(t, "month")}
		is := found{census.Place{Shard: rapid.IntRange(0, 63).Draw(t, "shard"), After: "m1"}, rapid.Int64().Draw(t, "sum")}
		cursor := census.Cursor(asked, is)
		var got found
		if !census.Resume(cursor, asked, &got) || got != is {
			t.Errorf("%+v, want %+v", got, is)
		}
		at := rapid.IntRange(0, len(cursor)-1).Draw(t, "at")
		changed := cursor[:at] + string(rapid.SampledFrom([]rune("Aaz09-_=\n")).Draw(t, "letter")) + cursor[at+1:]
		for name, test := range map[string]struct {
			cursor string
			asked  question
		}{
			"of another question": {cursor, question{asked.Month + "x"}},
			"cut":                 {cursor[:at], asked},
			"longer":              {cursor + "\n", asked},
			"changed":             {changed, asked},
		} {
			if test.cursor == cursor && test.asked == asked {
				continue
			}
			if census.Resume(test.cursor, test.asked, &got) {
				t.Errorf("one %s is taken", name)
			}
		}
	})
}
