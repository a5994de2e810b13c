package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// Merging names another member and why they are merged, or let go.
type Merging struct {
	Member     `embed:""`
	Other      string `arg:"" name:"other" help:"The id of the member who is merged into the first, or let go by it."`
	Reason     string `required:"" placeholder:"TEXT" help:"Stands in the ledger for ever: name no person in it."`
	Repeat     `embed:""`
	Connection `embed:""`
}

func (m Merging) run(ctx context.Context, console Console, what string) error {
	key, err := m.key()
	if err != nil {
		return err
	}
	raw, err := json.Marshal(map[string]string{"member_id": m.Other, "reason": m.Reason})
	if err != nil {
		return err
	}
	return show(ctx, console, m.Connection, call{method: http.MethodPost, path: m.path(what), body: raw, key: key}, shownMember.String)
}

// MembersMergeCommand is `huitou members merge`.
type MembersMergeCommand struct {
	Merging `embed:""`
}

// Help is the long help.
func (MembersMergeCommand) Help() string {
	return `All that the other has counts with the first from then on: points, purchases, identities, coupons. The other keeps an account of its own, so that unmerge finds it. The stricter of two consents holds.

Examples:

    huitou members merge mjzlf3ftcmmxc3iz4 mabcdefghijklmnop --reason "same phone, shown in the shop"`
}

// Run merges.
func (c MembersMergeCommand) Run(ctx context.Context, console Console) error {
	return c.run(ctx, console, "merge")
}

// MembersUnmergeCommand is `huitou members unmerge`.
type MembersUnmergeCommand struct {
	Merging `embed:""`
}

// Help is the long help.
func (MembersUnmergeCommand) Help() string {
	return `Each has what their own orders brought, before the merge and since. Points that were spent meanwhile stay spent by the first, as debt where there are no more.

Examples:

    huitou members unmerge mjzlf3ftcmmxc3iz4 mabcdefghijklmnop --reason "father and son"`
}

// Run undoes a merge.
func (c MembersUnmergeCommand) Run(ctx context.Context, console Console) error {
	return c.run(ctx, console, "unmerge")
}

// MembersEraseCommand is `huitou members erase`.
type MembersEraseCommand struct {
	Member     `embed:""`
	Reason     string `required:"" placeholder:"TEXT" help:"Stands in the account for ever: name no person in it."`
	Connection `embed:""`
}

// Help is the long help.
func (MembersEraseCommand) Help() string {
	return `Identities, birthday, facts, consents and claims are gone at once and for good, and so are those of members merged into this one; the ledger stays under the bare id. An order that comes later under one of their names is a stranger's.

Examples:

    huitou members erase mjzlf3ftcmmxc3iz4 --reason "asked by letter, 21 November"`
}

// Run erases.
func (c MembersEraseCommand) Run(ctx context.Context, console Console) error {
	huitou, err := c.open()
	if err != nil {
		return err
	}
	if _, err := huitou.do(ctx, call{method: http.MethodDelete, path: c.path(), query: url.Values{"reason": {c.Reason}}}); err != nil {
		return err
	}
	if c.JSON {
		return console.value(map[string]string{"member_id": c.ID, "state": "erased"})
	}
	return console.text(fmt.Sprintf("%s: erased\n", printable(c.ID)))
}
