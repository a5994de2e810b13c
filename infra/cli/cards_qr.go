package cli

import (
	"context"
	"os"
	"strings"

	"github.com/huitou/huitou/shared/qr"
)

// CardsQRCommand is `huitou cards qr`.
type CardsQRCommand struct {
	Card       string `arg:"" name:"url|id" help:"A card's address, or the id of a batch."`
	Number     int    `name:"card" default:"1" placeholder:"N" help:"Which card of the batch, counted from 1."`
	SVG        string `name:"svg" placeholder:"FILE.svg" help:"Write a picture to a file instead."`
	Connection `embed:""`
}

// Help is the long help.
func (CardsQRCommand) Help() string {
	return `Whoever sees the code can redeem the card.

Examples:

    huitou cards qr K-15379 --card 7

    huitou cards qr K-15379 --card 7 --svg card-7.svg

    huitou cards qr https://brand.example.com/C/K0000000000000000000000000000000000`
}

// Run draws.
func (c CardsQRCommand) Run(ctx context.Context, console Console) error {
	address, typed := c.Card, ""
	if !isWebAddress(address) {
		row, err := c.find(ctx)
		if err != nil {
			return err
		}
		address, typed = row[1], row[2]
	}
	if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return &UsageError{"the address of a card has printable ASCII characters only"}
	}
	symbol, err := qr.Encode(address)
	if err != nil {
		return &UsageError{"the address is too long for a QR code"}
	}
	if c.SVG != "" {
		if err := writeNew(c.SVG, symbol.SVG(address)); err != nil {
			return err
		}
	}
	switch {
	case c.JSON:
		answer := map[string]string{"url": address}
		if typed != "" {
			answer["code"] = typed
		}
		return console.value(answer)
	case c.SVG != "":
		return console.text(printable(c.SVG) + " is written\n")
	}
	return console.text(symbol.Terminal() + facts("url", address, "code", typed))
}

// find asks for one card of a batch.
func (c CardsQRCommand) find(ctx context.Context) ([]string, error) {
	if c.Number < 1 {
		return nil, &UsageError{"--card counts from 1"}
	}
	huitou, err := c.open()
	if err != nil {
		return nil, err
	}
	var row []string
	_, _, err = Batch{c.Card}.page(ctx, huitou, c.Number-1, 1, func(r []string) error { row = r; return nil })
	if err == nil && row == nil {
		err = &UsageError{"the batch has fewer cards than that"}
	}
	return row, err
}

// writeNew writes a file that only the user can read. A file that has the
// name already is not touched.
func writeNew(name, content string) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if os.IsExist(err) {
		return &UsageError{printable(name) + ": is there already"}
	}
	if err != nil {
		return &UsageError{printable(name) + ": cannot be written: " + pathless(err)}
	}
	_, err = file.WriteString(content)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(name)
		return &incompleteError{printable(name) + ": cannot be written: " + pathless(err)}
	}
	return nil
}
