package cards

import (
	"errors"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// State is where a batch is in its life.
type State string

// The states. A batch goes forward only: created, printed, received, active;
// a brand that prints its own sheet may go from created to active. Frozen and
// expired are ends. Expired is never stored: the clock decides it.
const (
	StateCreated  State = "created"  // 已生成: codes can be exported
	StatePrinted  State = "printed"  // 已送印: the file went to the printing house
	StateReceived State = "received" // 已到货: the cards came back
	StateActive   State = "active"   // 已激活: redeemable within the window
	StateFrozen   State = "frozen"   // 已冻结, for good
	StateExpired  State = "expired"  // 已过期: the window is over
)

// Signature is who did one step of a batch's life, and when.
type Signature struct {
	Operator string    `json:"operator"`
	At       time.Time `json:"at"`
}

// Manifest says which file cards were printed from (印刷清单).
type Manifest struct {
	Count  int    `json:"count"`  // codes in the file; cards in the boxes
	SHA256 string `json:"sha256"` // of the file, 64 hex digits in lower case
}

// Delivery is a manifest that somebody signed for.
type Delivery struct {
	Signature
	Manifest
}

// StateAt is the state as the clock has it: a batch whose window is over is
// expired, unless it was frozen before.
func (b Batch) StateAt(now time.Time) State {
	if b.State != StateFrozen && !now.Before(b.ValidTo) {
		return StateExpired
	}
	return b.State
}

// Opened refuses with ErrNotFound a card that nobody can have redeemed yet: it
// is none of the print run, the batch was never active, or its window has not
// begun. A batch that was frozen or has expired since is still one that opened.
// Whether the card is a canary is for Draws to tell.
func (b Batch) Opened(card int, now time.Time) error {
	wasActive := b.State == StateActive || b.Activated != nil
	if !wasActive || now.Before(b.ValidFrom) || card < 0 || card >= b.PrintRun() {
		return ErrNotFound
	}
	return nil
}

// Redeemable refuses with ErrNotFound unless the batch is active, now is in its
// window and the card is one of its print run.
func (b Batch) Redeemable(card int, now time.Time) error {
	if b.StateAt(now) != StateActive {
		return ErrNotFound
	}
	return b.Opened(card, now)
}

// Readable refuses with KindConflict a printing house that wants codes which it
// has no business with any more: of a batch whose cards came back, that was
// activated, or that is frozen or expired.
func (b Batch) Readable(now time.Time) error {
	if err := b.open(now); err != nil {
		return err
	}
	if b.Received != nil {
		return loyalty.Refuse(loyalty.KindConflict, "batch_received", "The cards of this batch came back; its codes are not given to a printing house again.")
	}
	if b.Activated != nil || b.State == StateActive {
		return loyalty.Refuse(loyalty.KindConflict, "batch_active", "This batch is active: its codes can be redeemed, and are not given to a printing house any more.")
	}
	return nil
}

// Print records that the file of the manifest went to the printing house, in
// the states created and printed: a second file replaces the first. The same
// manifest again changes nothing. An approval given before does not count any
// more, for it was given to cards that were not there.
//
// A manifest of more or fewer codes than the print run is refused with
// KindInvalid, another state with KindConflict.
func (b Batch) Print(operator string, manifest Manifest, now time.Time) (Batch, error) {
	if err := b.open(now); err != nil {
		return b, err
	}
	if b.State != StateCreated && b.State != StatePrinted {
		return b, loyalty.Refuse(loyalty.KindConflict, "batch_not_new", "Only a batch whose cards have not come back yet can be printed.")
	}
	if manifest.Count != b.PrintRun() {
		return b, loyalty.Invalid("/count", "not_the_print_run", "The file must hold every code of the batch, canaries included.")
	}
	if err := manifest.check(); err != nil {
		return b, err
	}
	if b.Printed == nil || b.Printed.Manifest != manifest {
		b.Printed = &Delivery{Signature{operator, now}, manifest}
		b.Approved, b.State = nil, StatePrinted
	}
	return b, nil
}

// Receive records that the cards came back (到货). The printing house says by
// its certificate which file they were made of; another than the one it was
// sent is refused with KindConflict code "manifest_differs", as are more cards
// than the file has codes. Fewer are recorded: the two who activate see it. The
// same delivery again changes nothing.
func (b Batch) Receive(operator string, delivered Manifest, now time.Time) (Batch, error) {
	if err := b.open(now); err != nil {
		return b, err
	}
	if err := delivered.check(); err != nil {
		return b, err
	}
	switch {
	case b.Received != nil && b.Received.Manifest == delivered:
		return b, nil
	case b.State != StatePrinted:
		return b, loyalty.Refuse(loyalty.KindConflict, "batch_not_printed", "Only a batch that is at the printing house can be received, and once.")
	case delivered.SHA256 != b.Printed.SHA256 || delivered.Count > b.Printed.Count:
		return b, loyalty.Refuse(loyalty.KindConflict, "manifest_differs", "These are not the cards of the file that was sent. Freeze the batch if they cannot be explained.")
	}
	b.Received = &Delivery{Signature{operator, now}, delivered}
	b.State = StateReceived
	return b, nil
}

func (m Manifest) check() error {
	if m.Count < 1 || m.Count > MaxCount {
		return loyalty.Invalid("/count", "out_of_range", "A manifest counts 1 to 1048576 codes.")
	}
	if len(m.SHA256) != 64 || strings.Trim(m.SHA256, "0123456789abcdef") != "" {
		return loyalty.Invalid("/sha256", "malformed", "A SHA-256 is 64 hexadecimal digits in lower case.")
	}
	return nil
}

// Activate takes one operator's consent to open the batch. Two different ones
// are needed: the first leaves the state as it is, the second makes it active.
// The same operator again, or anybody on an active batch, changes nothing. A
// batch that is frozen, expired or still at the printing house is refused with
// KindConflict.
func (b Batch) Activate(operator string, now time.Time) (Batch, error) {
	if operator == "" {
		return b, errors.New("cards: activation without an operator")
	}
	if err := b.open(now); err != nil {
		return b, err
	}
	switch {
	case b.State == StatePrinted:
		return b, loyalty.Refuse(loyalty.KindConflict, "batch_not_received", "The cards are at the printing house. Record that they came back first, so that nobody redeems a card that was never packed.")
	case b.State == StateActive, b.Approved != nil && b.Approved.Operator == operator:
		return b, nil
	case b.Approved == nil:
		b.Approved = &Signature{Operator: operator, At: now}
	default:
		b.Activated = &Signature{Operator: operator, At: now}
		b.State = StateActive
	}
	return b, nil
}

// Freeze closes the batch for good, in any state: what is not redeemed by then
// cannot be redeemed. A second freeze changes nothing.
func (b Batch) Freeze(operator string, now time.Time) Batch {
	if b.State != StateFrozen {
		b.State = StateFrozen
		b.Frozen = &Signature{Operator: operator, At: now}
	}
	return b
}

// open refuses a batch that has come to its end.
func (b Batch) open(now time.Time) error {
	switch b.StateAt(now) {
	case StateFrozen:
		return loyalty.Refuse(loyalty.KindConflict, "batch_frozen", "This batch is frozen. A frozen batch stays frozen; print a new one.")
	case StateExpired:
		return loyalty.Refuse(loyalty.KindConflict, "batch_expired", "The window of this batch is over.")
	}
	return nil
}
