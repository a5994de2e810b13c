package welcomefriends_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/crash"
)

func (b *brand) erase(through table.Table) error {
	return enrolment.Erase(b.Context(), store.Store{Table: through}, winner, store.Erasure{By: store.Hand{Operator: "wang", At: b.now}, Reason: "asked"})
}

// lives tells of a friend who came by a card and went on to come and go.
func (b *brand) lives() {
	b.Helper()
	b.redeem(card, winner)
	b.tell(b.added())
	for n := range 6 {
		change := ended(friend.Removed, began.Add(time.Duration(n+1)*time.Minute))
		if n%2 == 1 {
			change.Change, change.State = friend.Added, b.reference(card)
		}
		b.now = change.At.Add(time.Second)
		b.tell(change)
	}
}

// named are the facts that stand in the contact's log and name the member.
func (b *brand) named() (named, all int) {
	b.Helper()
	for _, record := range b.records() {
		all++
		if record.Member == winner {
			named++
		}
	}
	return named, all
}

// News of a contact at any moment of an erasure is kept nowhere when it
// was the member's, and ties nobody to the member when it came later.
func TestAnErasureLeavesNothingOfAFriendWhoIsToldOfMeanwhile(t *testing.T) {
	for _, change := range []friend.Change{friend.Removed, friend.Added} {
		for at := 1; ; at++ {
			b := open(t)
			b.lives()
			told := ended(change, b.now.Add(time.Minute))
			if change == friend.Added {
				told.State = b.reference(card)
			}
			b.now = told.At.Add(time.Second)
			meanwhile := &crash.Meanwhile{Table: b.store.Table, At: at, Do: func() { b.tell(told) }}
			if err := b.erase(meanwhile); err != nil {
				t.Fatal(err)
			}
			if meanwhile.Calls < at {
				break
			}
			named, all := b.named()
			if named > 0 || all > 1 {
				t.Errorf("%s before call %d: %d facts of the contact stay, %d name the member", change, at, all, named)
			}
		}
	}
}

// A change that was decided before an erasure and lands after it names nobody.
func TestAChangeThatLandsAfterAnErasureDoesNotNameTheMember(t *testing.T) {
	for at := 1; ; at++ {
		b := open(t)
		b.lives()
		told := b.added()
		told.At = b.now.Add(time.Minute)
		b.now = told.At.Add(time.Second)
		late := &crash.Meanwhile{Table: b.store.Table, At: at, Do: func() {
			if err := b.erase(b.store.Table); err != nil {
				t.Fatal(err)
			}
		}}
		b.function.Store.Table = late
		if failed := b.deliver(told.Encode()); failed != 0 {
			t.Fatalf("call %d: %d failed\n%s", at, failed, &b.log)
		}
		if late.Calls < at {
			return
		}
		if recorded := late.At < late.Calls; recorded { // the erasure came before the last write
			if named, _ := b.named(); named > 0 && !b.before(told) {
				t.Errorf("call %d: %d facts name the member who was erased", at, named)
			}
		}
	}
}

// before tells whether the change was recorded before the erasure, which then
// took it away.
func (b *brand) before(told friend.Event) bool {
	return !slices.ContainsFunc(b.records(), func(r store.FriendRecord) bool { return r.Tells(told) })
}

// The log of a contact whose first facts are gone takes new ones behind the last:
// an erasure may have stopped in the middle.
func TestALogThatLostItsFirstFactsGoesOn(t *testing.T) {
	b := open(t)
	b.lives()
	for gone := 1; gone <= 3; gone++ {
		b.write(table.Delete(table.FriendFactKey(external, gone)))
		change := ended(friend.Added, b.now.Add(time.Hour))
		b.now = change.At.Add(time.Second)
		b.tell(change)
		log := b.records()
		if last := log[len(log)-1]; !last.Tells(change) || last.Seq != 7+gone || log[0].Seq != gone+1 {
			t.Errorf("without the first %d the log goes from %d to %+v", gone, log[0].Seq, last)
		}
	}
}

// A greeting that is due in a log that lost its first facts comes to its end in
// its own fact.
func TestAGreetingEndsInItsOwnFact(t *testing.T) {
	b := open(t)
	b.tell(ended(friend.Removed, began.Add(-time.Hour)))
	b.platform.err = loyalty.Refuse(loyalty.KindUnavailable, "receiver_timeout", "")
	if failed := b.deliver(b.added().Encode()); failed != 1 {
		t.Fatalf("%d failed", failed)
	}
	b.write(table.Delete(table.FriendFactKey(external, 1)))
	b.platform.err = nil
	b.tell(b.added())
	if log := b.records(); len(log) != 1 || log[0].Welcome != friend.WelcomeSent {
		t.Errorf("%s", strings.TrimSpace(fmt.Sprintln(log)))
	}
}
