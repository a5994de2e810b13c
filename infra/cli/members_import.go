package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/orders/export"
)

// parallelMembers is how many rows are under way at a time.
const parallelMembers = 8

// MembersImportCommand is `huitou members import`.
type MembersImportCommand struct {
	File       string   `arg:"" name:"file" help:"The members, one a line: CSV in any encoding, or XLSX."`
	Source     string   `required:"" placeholder:"NAME" help:"Which system the file is from, such as oldcrm. A member's balance counts once for each."`
	Ignore     []string `sep:"none" placeholder:"COLUMN" help:"A column to leave alone. May be given several times."`
	Encoding   string   `default:"auto" enum:"auto,utf-8,gb18030,gbk,utf-16" help:"How the CSV is encoded: auto, utf-8, gb18030, gbk or utf-16."`
	DryRun     bool     `help:"Read and report, change nothing."`
	Connection `embed:""`
}

// Help is the long help, with the columns and examples.
func (MembersImportCommand) Help() string {
	return `Each line becomes a member with what the person had in the old system (期初余额), or is refused and makes nothing. It takes an admin's token. The first line names the columns:

    phone           in any spelling; at least one of this and the next has to be there
    buyer:CHANNEL   the platform's buyer id; likewise openid:, unionid: and wecom:, each with its channel
    points          1200, or in parts that end: 500@2027-03-31;700 (a date is the last good day, in Shanghai; or a time with its zone)
    points_until    the end of the parts that name none; without one points do not end
    growth          growth value (成长值) by the month in which it counts: 900@2026-03;300@2026-11. The tier follows from it
    growth_month    the month of the parts that name none
    joined_at       when the person became a member; the earliest date stays
    consents        membership marketing personalisation, as far as they were given
    consents_given_at  when; without it a consent that was withdrawn here stays so

A masked name or number, and one lent for a parcel, stands for nobody: the cell is skipped where another names the person. ` +
		`Lines with keys of their content make it safe to run the command again, also after Ctrl-C: what has arrived changes nothing, and a consent that was taken back since stays so. ` +
		`A member who has another balance of this source already is refused; correct those points by hand.

A dry run refuses the same rows and changes nothing. What a file says it judges by itself; whether two members share a line, and whether a member has another balance, only huitou knows, so it is asked where a token is given.

Examples:

  Look at what a file holds, without changing anything:

    huitou members import members.csv --source oldcrm --dry-run

  Import it:

    huitou members import members.csv --source oldcrm --ignore 备注

Exit codes: 0 everything taken, 1 something refused or stopped, 2 wrong usage.`
}

// MembersReport is what an import of members found and did.
type MembersReport struct {
	Members  int              `json:"members"` // rows that can be read
	Points   int64            `json:"points"`  // of them
	Growth   int64            `json:"growth"`
	Masked   int              `json:"masked"` // cells that name nobody
	Refused  []export.Refusal `json:"refused"`
	DryRun   bool             `json:"dry_run"`
	Imported int              `json:"imported"` // taken with all that they bring
	New      int              `json:"new"`      // made members by this very run
	Asked    bool             `json:"asked"`    // huitou was asked about every row
	Stopped  string           `json:"stopped,omitempty"`
}

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Run imports. The report is printed also where something was refused or it had
// to stop.
func (c MembersImportCommand) Run(ctx context.Context, console Console) error {
	if !sourceName.MatchString(c.Source) {
		return &UsageError{"--source is 1 to 32 of a-z, 0-9 and -, such as oldcrm"}
	}
	var huitou *api
	if !c.DryRun || c.Token != "" {
		var err error
		if huitou, err = c.open(); err != nil {
			return err
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = parallelMembers
		huitou.client.Transport = transport
		defer transport.CloseIdleConnections()
	}
	found, err := c.read(ctx, console, huitou != nil)
	if err != nil {
		return err
	}
	report := MembersReport{Members: len(found.Members), Masked: found.Masked, Refused: found.Refused, DryRun: c.DryRun, Asked: huitou != nil}
	for _, member := range found.Members {
		for _, part := range member.Opening.Points {
			report.Points += part.Points
		}
		for _, part := range member.Opening.Growth {
			report.Growth += part.Growth
		}
	}
	if huitou != nil {
		what := "importing members"
		if c.DryRun {
			what = "asking about members"
		}
		bar := console.progress(int64(len(found.Members)), what)
		c.send(ctx, huitou, found.Members, &report, func() { _ = bar.Add(1) })
		_ = bar.Finish()
	}
	if err := c.print(console, report); err != nil {
		return err
	}
	switch {
	case report.Stopped != "" && c.DryRun:
		return &incompleteError{"stopped: " + report.Stopped + "\nNothing was changed. Without a token the file alone is looked at."}
	case report.Stopped != "":
		return &incompleteError{fmt.Sprintf("stopped: %s\n%d of %d members were imported. Run the same command again: what has arrived already changes nothing.", report.Stopped, report.Imported, report.Members)}
	case len(report.Refused) > 0:
		return &incompleteError{fmt.Sprintf("%d refused, see above; the rest was taken", len(report.Refused))}
	}
	return nil
}

func (c MembersImportCommand) read(ctx context.Context, console Console, asked bool) (broughtMembers, error) {
	source, size, err := openExport(c.File)
	if err != nil {
		return broughtMembers{}, err
	}
	defer func() { _ = source.Close() }()
	bar := console.progress(size, "reading the file")
	defer func() { _ = bar.Finish() }()
	rows, err := openRows(source, &watched{ctx: ctx, source: io.TeeReader(source, bar)}, ImportCommand{Encoding: c.Encoding}.encoding())
	if ctx.Err() != nil {
		return broughtMembers{}, errInterrupted
	}
	if err != nil {
		return broughtMembers{}, &incompleteError{printable(c.File) + ": " + reasonOf(err)}
	}
	if closer, ok := rows.(io.Closer); ok {
		defer func() { _ = closer.Close() }()
	}
	file := membersFile{name: printable(c.File), source: c.Source, ignored: c.Ignore}
	if !asked {
		file.now = time.Now() // nobody else tells what is past and what is to come
	}
	found, err := file.read(rows)
	if ctx.Err() != nil {
		return broughtMembers{}, errInterrupted
	}
	if err != nil {
		return broughtMembers{}, &incompleteError{err.Error()}
	}
	return found, nil
}

// send imports rows, several at a time. It ends early when ctx does and when
// huitou stays away or refuses the token; the rows under way are finished first,
// so that every row's outcome is known. done is called once for each row that
// was taken or refused.
func (c MembersImportCommand) send(ctx context.Context, huitou *api, members []broughtMember, report *MembersReport, done func()) {
	outcomes := make([]string, len(members)) // why a row was refused
	report.Stopped = eachRow(ctx, len(members), parallelMembers, func(ctx context.Context, i int) (func(), error) {
		fresh, refused, err := importMember(context.WithoutCancel(ctx), huitou, members[i], c.DryRun)
		return func() {
			if fresh {
				report.New++
			}
			switch {
			case err != nil:
				return
			case refused != "":
				outcomes[i] = refused
			case !c.DryRun:
				report.Imported++
			}
			done()
		}, err
	})
	for i, refused := range outcomes {
		if refused != "" {
			report.Refused = append(report.Refused, export.Refusal{File: printable(c.File), Line: members[i].Line, Reason: "huitou refused " + refused})
		}
	}
}

// importMember makes or finds the member and gives what the line brings, or only
// asks whether huitou would. It says whether the member is new, why huitou refused
// the line if it did, and fails where there is no use in going on.
func importMember(ctx context.Context, huitou *api, member broughtMember, check bool) (fresh bool, refused string, err error) {
	line := struct {
		Identities []identityFlag  `json:"identities"`
		Opening    *broughtOpening `json:"opening,omitempty"`
		Check      bool            `json:"check,omitempty"`
	}{member.Identities, nil, check}
	if !member.Opening.empty() {
		line.Opening = &member.Opening
	}
	answer, refused, err := sendRow(ctx, huitou, []string{"v1", "members", "imports"}, line, check)
	if err != nil || refused != "" {
		return false, refused, err
	}
	return answer.status == http.StatusCreated && !answer.replayed, "", nil
}

// sendRow makes the call of a row, under a key that comes from its content: the
// same row is the same request in every run. Only a check is another each time,
// because its answer changes with what others do.
func sendRow(ctx context.Context, huitou *api, path []string, document any, check bool) (answer reply, refused string, err error) {
	body, err := json.Marshal(document)
	if err != nil {
		return reply{}, "", err
	}
	digest := sha256.Sum256(append([]byte(strings.Join(path, "/")+"\n"), body...))
	request := call{method: http.MethodPost, path: path, body: body, key: "import-" + hex.EncodeToString(digest[:16]), patience: time.Minute}
	if check {
		request.key += "-" + rand.Text()
	}
	answer, err = huitou.do(ctx, request)
	refusal, isRefusal := errors.AsType[*problemError](err)
	if isRefusal && refusal.replayed {
		// The reason of an earlier refusal may be gone. The call finds what it
		// has done before, under whatever key.
		request.key += "-" + rand.Text()
		answer, err = huitou.do(ctx, request)
		refusal, isRefusal = errors.AsType[*problemError](err)
	}
	switch {
	case !isRefusal:
		return answer, "", err
	case refusal.code() == "in_progress": // another run is at this very row
	case slices.Contains([]int{http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, refusal.status),
		refusal.code() == "member_unknown":
		refused = fmt.Sprintf("the line: %d %s", refusal.status, printable(refusal.code()))
		for _, field := range refusal.document.Errors {
			refused += fmt.Sprintf(" %s %s", printable(field.Pointer), printable(field.Code))
		}
		return reply{}, refused, nil
	}
	refusal.key = "" // the whole command is repeated, not this call
	return reply{}, "", refusal
}

func (c MembersImportCommand) print(console Console, report MembersReport) error {
	if c.JSON {
		if report.Refused == nil {
			report.Refused = []export.Refusal{}
		}
		return console.value(report)
	}
	var text strings.Builder
	for _, refused := range report.Refused {
		fmt.Fprintf(&text, "refused  %s\n", refused.Error())
	}
	fmt.Fprintf(&text, "members  %d with %d points and %d growth value\n", report.Members, report.Points, report.Growth)
	if report.Masked > 0 {
		fmt.Fprintf(&text, "masked   %d names or numbers, skipped\n", report.Masked)
	}
	if report.DryRun {
		text.WriteString(pick(report.Asked, "changed  nothing (--dry-run)\n", "changed  nothing (--dry-run); give a token, and huitou is asked about every row\n"))
	} else {
		fmt.Fprintf(&text, "imported %d members, %d of them new\n", report.Imported, report.New)
	}
	return console.text(text.String())
}
