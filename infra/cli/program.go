package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/strictjson"
)

type programCommands struct {
	Show     ProgramShowCommand     `cmd:"" help:"The rules in force now, and their versions."`
	Schema   ProgramSchemaCommand   `cmd:"" help:"Print the JSON Schema of the rules."`
	Diff     ProgramDiffCommand     `cmd:"" help:"What a file's rules would change, and from when on."`
	Simulate ProgramSimulateCommand `cmd:"" help:"What a file's rules would have given in a past month (积分规则试算)."`
	Apply    ProgramApplyCommand    `cmd:"" help:"Make a file's rules the next version."`
}

// ProgramShowCommand is `huitou program show`.
type ProgramShowCommand struct {
	Connection `embed:""`
}

// Help is the long help.
func (ProgramShowCommand) Help() string {
	return `Examples:

    huitou program show

  To edit them:

    huitou program show --json > program.json
    huitou program diff program.json
    huitou program simulate program.json
    huitou program apply program.json`
}

type shownVersion struct {
	Version     int64  `json:"version"`
	EffectiveAt string `json:"effective_at"`
}

// Run shows the program.
func (c ProgramShowCommand) Run(ctx context.Context, console Console) error {
	type answer struct {
		program.Program
		Versions []shownVersion `json:"versions"`
	}
	return show(ctx, console, c.Connection, get("v1", "program"), func(p answer) string {
		version := strconv.FormatInt(p.Version, 10)
		if p.Version == 0 {
			version = "0 (ships with huitou)"
		}
		text := facts(
			"version", version, "brand", p.Brand.Name, "contact", p.Brand.Contact, "currency", p.Currency, "time zone", p.TimeZone,
			"legal texts", or(p.Legal.VersionNow(), "none: "+p.MissingLegal()),
			"points", fmt.Sprintf("%d for each %s", p.Points.Rate.Points, money(p.Points.Rate.PerFen)),
			"return window", fmt.Sprintf("%d days after completion, %d days after payment", p.Points.Window.AfterCompletionDays, p.Points.Window.AfterPaymentDays),
			"quiet hours", p.Repurchase.QuietHours.From+" to "+p.Repurchase.QuietHours.To,
			"reminders", fmt.Sprintf("at most %d in %d days", p.Repurchase.Cap.Messages, p.Repurchase.Cap.Days),
		)
		categories := grid{titles: []string{"CATEGORY", "NAME", "CYCLE DAYS", "LEAD DAYS"}}
		for _, key := range slices.Sorted(maps.Keys(p.Repurchase.Categories)) {
			category := p.Repurchase.Categories[key]
			categories.add(key, category.Name, fmt.Sprint(category.CycleDays), fmt.Sprint(category.LeadDays))
		}
		versions := grid{titles: []string{"VERSION", "EFFECTIVE AT"}}
		for _, v := range p.Versions {
			versions.add(strconv.FormatInt(v.Version, 10), v.EffectiveAt)
		}
		text += "\n" + categories.String()
		if len(p.Versions) > 0 {
			text += "\n" + versions.String()
		}
		return text
	})
}

// ProgramApplyCommand is `huitou program apply`.
type ProgramApplyCommand struct {
	File        string   `arg:"" name:"file" help:"The rules as JSON."`
	EffectiveAt *Instant `placeholder:"TIME" help:"From when on they count; now when absent."`
	DryRun      bool     `help:"Check the file and show what would change; change nothing."`
	Connection  `embed:""`
}

// Help is the long help.
func (ProgramApplyCommand) Help() string {
	return `Shows what changes against the rules in force. What happened before keeps the rules it was decided by; the same rules again make no version.

Examples:

    huitou program apply program.json --dry-run

    huitou program apply program.json

    huitou program apply program.json --effective-at 2027-01-01T00:00:00+08:00`
}

// change is one difference between two documents. A side is absent where the
// document has nothing there.
type change struct {
	Pointer string `json:"pointer"`
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
}

func (c change) String() string {
	switch {
	case c.From == "":
		return fmt.Sprintf("+ %s  %s", printable(c.Pointer), printable(c.To))
	case c.To == "":
		return fmt.Sprintf("- %s  %s", printable(c.Pointer), printable(c.From))
	}
	return fmt.Sprintf("~ %s  %s → %s", printable(c.Pointer), printable(c.From), printable(c.To))
}

// Run applies.
func (c ProgramApplyCommand) Run(ctx context.Context, console Console) error {
	source, err := readDocument(c.File)
	if err != nil {
		return err
	}
	body, err := c.body(source)
	if err != nil {
		return err
	}
	huitou, err := c.open()
	if err != nil {
		return err
	}
	answer, err := huitou.do(ctx, get("v1", "program"))
	if err != nil {
		return err
	}
	changes, err := compare(answer.body, body)
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.dryRun(console, source, body, changes)
	}
	before, err := decode[struct {
		Versions []shownVersion `json:"versions"`
	}](answer)
	if err != nil {
		return err
	}
	if answer, err = huitou.do(ctx, call{method: http.MethodPut, path: []string{"v1", "program"}, body: body}); err != nil {
		if refused, ok := errors.AsType[*problemError](err); ok && c.EffectiveAt != nil && names(refused, "/effective_at") {
			return &incompleteError{"--effective-at: " + err.Error()} // it stands in no file
		}
		return source.explain(err)
	}
	return render(console, c.Connection, answer, func(made shownVersion) string {
		if slices.ContainsFunc(before.Versions, func(v shownVersion) bool { return v.Version == made.Version }) {
			return fmt.Sprintf("nothing changed: version %d says the same\n", made.Version)
		}
		return listChanges(changes) + fmt.Sprintf("version %d, effective at %s\n", made.Version, printable(made.EffectiveAt))
	})
}

func names(refused *problemError, pointer string) bool {
	return slices.ContainsFunc(refused.document.Errors, func(field loyalty.Field) bool { return field.Pointer == pointer })
}

func listChanges(changes []change) string {
	var text strings.Builder
	for _, one := range changes {
		text.WriteString(one.String() + "\n")
	}
	return text.String()
}

// body is the request.
func (c ProgramApplyCommand) body(source document) ([]byte, error) {
	members, err := rulesOf(source)
	if err != nil {
		return nil, err
	}
	if c.EffectiveAt != nil {
		if members["effective_at"], err = json.Marshal(c.EffectiveAt.Format(time.RFC3339)); err != nil {
			return nil, err
		}
	}
	return json.Marshal(members)
}

// rulesOf is a file's rules, with the time at which they shall take effect
// where it says one. A file that has a version is what `program show --json`
// printed, and its time is that of the version that was.
func rulesOf(source document) (map[string]json.RawMessage, error) {
	raw, err := source.without("", "version", "versions")
	if err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	if source.has("version") {
		delete(members, "effective_at")
	}
	return members, nil
}

// dryRun checks the document by the rules of this build.
func (c ProgramApplyCommand) dryRun(console Console, source document, body []byte, changes []change) error {
	var wish struct {
		program.Document
		EffectiveAt time.Time `json:"effective_at"`
	}
	if err := strictjson.Decode(body, &wish); err != nil {
		if refusal, ok := errors.AsType[*loyalty.Error](err); ok && len(refusal.Fields) > 0 {
			return source.wrong(source.find(refusal.Fields[0].Pointer), printable(refusal.Fields[0].Pointer+": "+refusal.Detail))
		}
		return err
	}
	if err := wish.Validate(); err != nil {
		if refusal, ok := errors.AsType[*loyalty.Error](err); ok {
			return &incompleteError{source.places(refusal.Fields) + ": " + printable(refusal.Detail)}
		}
		return err
	}
	if c.JSON {
		if changes == nil {
			changes = []change{}
		}
		return console.value(map[string]any{"dry_run": true, "changes": changes})
	}
	if len(changes) == 0 {
		return console.text("nothing would change (--dry-run)\n")
	}
	return console.text(listChanges(changes) + fmt.Sprintf("%d changes, nothing done (--dry-run)\n", len(changes)))
}

// compare finds what a program would change in the one in force. An empty value
// is the same as what is absent.
func compare(current, next []byte) ([]change, error) {
	var old, wish map[string]any
	for raw, into := range map[*[]byte]*map[string]any{&current: &old, &next: &wish} {
		decoder := json.NewDecoder(bytes.NewReader(*raw))
		decoder.UseNumber()
		if err := decoder.Decode(into); err != nil {
			return nil, errNotHuitou
		}
	}
	for _, outside := range []string{"version", "versions", "effective_at"} {
		delete(old, outside)
		delete(wish, outside)
	}
	from, to := map[string]string{}, map[string]string{}
	flatten("", old, from)
	flatten("", wish, to)
	pointers := maps.Clone(from)
	maps.Copy(pointers, to)
	var changes []change
	for _, pointer := range slices.Sorted(maps.Keys(pointers)) {
		if from[pointer] != to[pointer] {
			changes = append(changes, change{pointer, from[pointer], to[pointer]})
		}
	}
	return changes, nil
}

// flatten writes each leaf of a document under its pointer. A list is a leaf.
func flatten(pointer string, value any, into map[string]string) {
	switch value := value.(type) {
	case nil:
	case map[string]any:
		for name, member := range value {
			flatten(pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), member, into)
		}
	case []any:
		if len(value) > 0 {
			into[pointer] = compact(value)
		}
	default:
		into[pointer] = compact(value)
	}
}

func compact(value any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // it was JSON
	return strings.TrimSuffix(text.String(), "\n")
}
