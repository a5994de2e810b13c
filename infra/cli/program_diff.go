package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
)

// ProgramSchemaCommand is `huitou program schema`.
type ProgramSchemaCommand struct {
	URL string `name:"url" env:"HUITOU_URL" default:"http://127.0.0.1:8080" help:"Where huitou answers."`
}

// Help is the long help.
func (ProgramSchemaCommand) Help() string {
	return `The JSON Schema (2020-12) of the rules, for editors that check a file while it is written. It needs no token.

Examples:

    huitou program schema > program.schema.json`
}

// Run prints the schema.
func (c ProgramSchemaCommand) Run(ctx context.Context, console Console) error {
	request := get("program.schema.json")
	request.public = true
	return show[struct{}](ctx, console, Connection{URL: c.URL, JSON: true}, request, nil)
}

// ProgramDiffCommand is `huitou program diff`.
type ProgramDiffCommand struct {
	File       string `arg:"" name:"file" help:"The rules as JSON."`
	Version    *int64 `placeholder:"N" help:"Against this version; against the one in force when absent."`
	Connection `embed:""`
}

// Help is the long help.
func (ProgramDiffCommand) Help() string {
	return `Lists what a file's rules would change: "~" is another value, "+" is new, "-" is gone. Changes nothing.

Examples:

    huitou program diff program.json

    huitou program diff program.json --version 3`
}

// difference is what the command answers.
type difference struct {
	Against   shownVersion   `json:"against"`
	Changes   []change       `json:"changes"`
	Effective string         `json:"effective_at,omitempty"` // as the file says
	Scheduled []shownVersion `json:"scheduled"`              // versions that take effect later than the one in force
}

// Run compares.
func (c ProgramDiffCommand) Run(ctx context.Context, console Console) error {
	source, err := readDocument(c.File)
	if err != nil {
		return err
	}
	rules, err := rulesOf(source)
	if err != nil {
		return err
	}
	wish, err := json.Marshal(rules)
	if err != nil {
		return err
	}
	huitou, err := c.open()
	if err != nil {
		return err
	}
	current, err := huitou.do(ctx, get("v1", "program"))
	if err != nil {
		return err
	}
	inForce, err := decode[struct {
		shownVersion
		Versions []shownVersion `json:"versions"`
	}](current)
	if err != nil {
		return err
	}
	found := difference{Against: inForce.shownVersion, Changes: []change{}, Scheduled: scheduled(inForce.shownVersion, inForce.Versions)}
	if c.Version != nil {
		if current, err = huitou.do(ctx, get("v1", "program", "versions", strconv.FormatInt(*c.Version, 10))); err != nil {
			return err
		}
		if found.Against, err = decode[shownVersion](current); err != nil {
			return err
		}
	}
	changes, err := compare(current.body, wish)
	if err != nil {
		return err
	}
	found.Changes = append(found.Changes, changes...)
	if raw, ok := rules["effective_at"]; ok && json.Unmarshal(raw, &found.Effective) != nil {
		return source.wrong(source.find("/effective_at"), "effective_at is no time with its zone")
	}
	if c.JSON {
		return console.value(found)
	}
	return console.text(found.String())
}

// scheduled are the versions that wait for their time.
func scheduled(inForce shownVersion, versions []shownVersion) []shownVersion {
	waiting := []shownVersion{}
	since, _ := loyalty.ParseTime(inForce.EffectiveAt)
	for _, version := range versions {
		if at, err := loyalty.ParseTime(version.EffectiveAt); err == nil && at.After(since) {
			waiting = append(waiting, version)
		}
	}
	return waiting
}

func (d difference) String() string {
	against := fmt.Sprintf("version %d, effective at %s", d.Against.Version, printable(d.Against.EffectiveAt))
	if d.Against.Version == 0 {
		against = "version 0, which ships with huitou"
	}
	if len(d.Changes) == 0 {
		return "nothing differs from " + against + "\n"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "against %s:\n%s\n", against, listChanges(d.Changes))
	when := "when it is applied"
	if d.Effective != "" {
		when = "at " + printable(d.Effective)
	}
	fmt.Fprintf(&text, "It takes effect %s, or at the time that program apply --effective-at says:\n", when)
	told := -1
	for _, change := range d.Changes { // in the order of sections
		section := slices.IndexFunc(sections, func(s section) bool { return strings.HasPrefix(change.Pointer+"/", s.pointer+"/") })
		if section >= 0 && section != told {
			fmt.Fprintf(&text, "  %s  %s\n", sections[section].pointer, sections[section].effect)
			told = section
		}
	}
	for _, version := range d.Scheduled {
		fmt.Fprintf(&text, "Version %d takes effect at %s and counts from then on, unless this begins at that time or later.\n", version.Version, printable(version.EffectiveAt))
	}
	return text.String()
}

// section is a part of the rules, and for what a change of it counts.
type section struct{ pointer, effect string }

// sections are all parts; of two that hold a change the first counts.
var sections = []section{
	{"/brand", "pages and messages from then on"},
	{"/currency", "orders paid from then on, which must be in it; amounts are not converted"},
	{"/time_zone", "days and hours from then on"},
	{"/points/adjustment_limit", "corrections from then on"},
	{"/points/check_in", "check-ins from then on"},
	{"/points/expiry", "points of orders paid from then on, and other points that are given from then on"},
	{"/points/return_grace_days", "points that come back from then on"},
	{"/points", "orders paid from then on; those paid before keep their rates and windows, whenever they become known"},
	{"/repurchase/categories", "reminders from then on, of earlier purchases too; categories by SKU for orders paid from then on"},
	{"/repurchase", "messages from then on"},
	{"/tiers", "growth of orders paid from then on; tiers from then on, by all growth that counts then"},
}
