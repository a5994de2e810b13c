package cli

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/schollz/progressbar/v3"

	"github.com/huitou/huitou/shared/spreadsheet"
)

// CardsExportCommand is `huitou cards export`.
type CardsExportCommand struct {
	Batch      `embed:""`
	Out        string `required:"" placeholder:"FILE.csv" help:"The file to write."`
	Force      bool   `help:"Replace the file if it is there."`
	Connection `embed:""`
}

// Help is the long help.
func (CardsExportCommand) Help() string {
	return `Codes are worth money: only you can read the file. It is written as FILE.part and gets its name when it is whole; the same command goes on where an interrupted one stopped.

Examples:

    huitou cards export K-15379 --out cards.csv`
}

// exportPage is how many cards the API gives at once.
const exportPage = 20_000

// longestRow is ample for a card, in bytes.
const longestRow = 4 << 10

var exportHeader = []string{"card", "url", "code"}

// Run exports.
func (c CardsExportCommand) Run(ctx context.Context, console Console) error {
	if err := c.checkOut(); err != nil {
		return err
	}
	huitou, err := c.open()
	if err != nil {
		return err
	}
	_, count, err := c.page(ctx, huitou, 0, 1, func([]string) error { return nil })
	if err != nil {
		return err
	}
	part, err := openPart(c.Out + ".part")
	if err != nil {
		return err
	}
	defer func() { _ = part.file.Close() }()
	if err := c.resume(ctx, huitou, part, count); err != nil {
		return err
	}
	bar := console.progress(int64(count), "exporting cards")
	_ = bar.Set(part.cards)
	err = c.fetch(ctx, huitou, part, count, bar)
	_ = bar.Finish()
	if err != nil {
		return &incompleteError{fmt.Sprintf("%s\n%d of %d cards are in %s; run the same command again to go on from there.", err, part.cards, count, printable(part.name))}
	}
	if err := part.rename(c.Out); err != nil {
		return err
	}
	manifest, err := readManifest(c.Out)
	if err != nil {
		return err
	}
	if c.JSON {
		return console.value(map[string]any{"batch": c.ID, "cards": part.cards, "file": c.Out, "sha256": manifest.SHA256})
	}
	return console.text(fmt.Sprintf("%d cards of %s are in %s\nSHA-256 %s\n", part.cards, printable(c.ID), printable(c.Out), manifest.SHA256))
}

// checkOut refuses what the file cannot replace in the end.
func (c CardsExportCommand) checkOut() error {
	about, err := os.Stat(c.Out)
	switch {
	case c.Out == "":
		return &UsageError{"--out names no file"}
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return &UsageError{printable(c.Out) + ": the file cannot be looked at"}
	case about.IsDir():
		return &UsageError{printable(c.Out) + ": is a directory; name a file in it"}
	case !about.Mode().IsRegular():
		return &UsageError{printable(c.Out) + ": is not a plain file"}
	case !c.Force:
		return &UsageError{printable(c.Out) + ": is there already; --force replaces it"}
	}
	return nil
}

// partFile is an export that is not whole yet: the header and the first cards
// of a batch.
type partFile struct {
	name  string
	file  *os.File
	cards int
	last  []string // the row of the last card
}

// openPart opens a new part, or one that an interrupted export left.
func openPart(name string) (*partFile, error) {
	if about, err := os.Lstat(name); err == nil && !about.Mode().IsRegular() {
		return nil, &UsageError{printable(name) + ": is not a plain file"}
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, &UsageError{printable(name) + ": cannot be written: " + pathless(err)}
	}
	return &partFile{name: name, file: file}, nil
}

// pathless is why a file could not be used, without its name.
func pathless(err error) string {
	if inner, ok := errors.AsType[*os.PathError](err); ok {
		err = inner.Err
	}
	if inner, ok := errors.AsType[*os.LinkError](err); ok {
		err = inner.Err
	}
	return err.Error()
}

// resume keeps the whole rows of a part and makes sure that they are cards of
// this batch. A row that was cut off is taken away.
func (c CardsExportCommand) resume(ctx context.Context, huitou *api, part *partFile, count int) error {
	whole, err := part.read()
	if err == nil && part.cards > count {
		err = errNotCards
	}
	if err == nil && part.cards > 0 {
		var row []string
		_, _, err = c.page(ctx, huitou, part.cards-1, 1, func(r []string) error { row = r; return nil })
		if err != nil {
			return err
		}
		if strings.Join(row, ",") != strings.Join(part.last, ",") {
			err = errNotCards
		}
	}
	if errors.Is(err, errNotCards) {
		return &UsageError{printable(part.name) + ": is no part of this export; delete it, or choose another --out"}
	}
	if err == nil {
		err = part.file.Truncate(whole)
	}
	if err == nil {
		_, err = part.file.Seek(whole, io.SeekStart)
	}
	if err != nil {
		return &incompleteError{printable(part.name) + ": " + pathless(err)}
	}
	return nil
}

var errNotCards = errors.New("this is not a list of cards")

// read counts the cards of the part and gives the length of its whole rows.
func (p *partFile) read() (whole int64, err error) {
	reader := bufio.NewReaderSize(p.file, longestRow)
	for header := true; ; header = false {
		line, err := reader.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return whole, nil // the line was cut off
		case errors.Is(err, bufio.ErrBufferFull):
			return whole, errNotCards
		case err != nil:
			return whole, err
		}
		row := strings.Split(strings.TrimSuffix(string(line), "\n"), ",")
		if header {
			if strings.Join(row, ",") != strings.Join(exportHeader, ",") {
				return whole, errNotCards
			}
		} else if err := checkCard(row, p.cards); err != nil {
			return whole, err
		} else {
			p.cards, p.last = p.cards+1, row
		}
		whole += int64(len(line))
	}
}

// checkCard lets numbers, addresses and codes pass and nothing else, so that
// no cell is a formula to a spreadsheet, whatever answered.
func checkCard(row []string, card int) error {
	plain := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == ',' }
	code := func(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && r != '-' }
	switch {
	case len(row) != len(exportHeader), row[0] != strconv.Itoa(card+1):
		return errNotCards
	case !isWebAddress(row[1]), strings.ContainsFunc(row[1], plain):
		return errNotCards
	case row[2] == "", row[2][0] == '-', strings.ContainsFunc(row[2], code):
		return errNotCards
	}
	return nil
}

// isWebAddress also knows the addresses of cards, which are in capitals.
func isWebAddress(text string) bool {
	lower := strings.ToLower(text)
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
}

// fetch writes the cards that the part lacks, page by page, row by row.
func (c CardsExportCommand) fetch(ctx context.Context, huitou *api, part *partFile, count int, bar *progressbar.ProgressBar) error {
	out := spreadsheet.NewWriter(part.file)
	write := func(row []string) error {
		out.Write(row...)
		if err := out.Error(); err != nil {
			return errors.New(printable(part.name) + " cannot be written: " + pathless(err))
		}
		return nil
	}
	if part.last == nil {
		if _, err := part.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := write(exportHeader); err != nil {
			return err
		}
	}
	var failed error
	for part.cards < count && failed == nil {
		var got int
		got, _, failed = c.page(ctx, huitou, part.cards, min(exportPage, count-part.cards), func(row []string) error {
			if err := write(row); err != nil {
				return err
			}
			part.cards, part.last = part.cards+1, row
			_ = bar.Add(1)
			return nil
		})
		if failed == nil && got == 0 {
			failed = errNotHuitou
		}
		if ctx.Err() != nil {
			failed = errors.New("interrupted")
		}
	}
	out.Flush()
	if err := out.Error(); err != nil && failed == nil {
		failed = errors.New(printable(part.name) + " cannot be written: " + pathless(err))
	}
	return failed
}

// page visits the rows of one answer as they arrive, and tells how many the
// whole print run has.
func (b Batch) page(ctx context.Context, huitou *api, from, limit int, visit func([]string) error) (rows, total int, err error) {
	request := get(b.path("cards.csv")...)
	request.query = url.Values{"from": {strconv.Itoa(from)}, "limit": {strconv.Itoa(limit)}}
	response, err := huitou.ask(ctx, request)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if total, err = strconv.Atoi(response.Header.Get("X-Total-Count")); err != nil || total < 1 {
		return 0, 0, errNotHuitou
	}
	reader := csv.NewReader(io.LimitReader(response.Body, int64(limit+1)*longestRow))
	for header := true; ; header = false {
		row, err := reader.Read()
		_, malformed := errors.AsType[*csv.ParseError](err)
		switch {
		case errors.Is(err, io.EOF):
			return rows, total, nil
		case malformed:
			return rows, total, errNotHuitou
		case err != nil:
			return rows, total, huitou.lost(ctx, request, err)
		case header && strings.Join(row, ",") != strings.Join(exportHeader, ","):
			return rows, total, errNotHuitou
		case header:
			continue
		case rows == limit || checkCard(row, from+rows) != nil:
			return rows, total, errNotHuitou
		}
		if err := visit(row); err != nil {
			return rows, total, err
		}
		rows++
	}
}

// rename gives the whole file its name, once it is safely on the disk.
func (p *partFile) rename(name string) error {
	err := p.file.Sync()
	if err == nil {
		err = p.file.Close()
	}
	if err == nil {
		err = os.Rename(p.name, name)
	}
	if err != nil {
		return &incompleteError{filepath.Base(printable(name)) + " cannot be written: " + pathless(err)}
	}
	return nil
}
