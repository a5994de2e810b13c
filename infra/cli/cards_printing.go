package cli

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// CardsPrintCommand is `huitou cards print`.
type CardsPrintCommand struct {
	Batch      `embed:""`
	File       string `arg:"" name:"FILE.csv" help:"The file as huitou cards export wrote it, and as the printing house got it."`
	Printer    string `placeholder:"NAME" help:"The printing house's operator, whose token may read the codes of this batch from now on."`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CardsPrintCommand) Help() string {
	return `Counts the codes of the file and records their number and the file's SHA-256 with the batch. From then on the batch can be activated only once the cards came back.

Examples:

    huitou cards export K-15379 --out cards.csv
    huitou cards print K-15379 cards.csv

    huitou cards print K-15379 cards.csv --printer printing-house`
}

// Run records the file.
func (c CardsPrintCommand) Run(ctx context.Context, console Console) error {
	manifest, err := readManifest(c.File)
	if err != nil {
		return err
	}
	return c.record(ctx, console, c.Connection, c.Repeat, "printing", struct {
		manifestDocument
		Printer string `json:"printer,omitempty"`
	}{manifest, c.Printer})
}

// CardsReceiveCommand is `huitou cards receive`.
type CardsReceiveCommand struct {
	Batch      `embed:""`
	Count      int    `required:"" name:"cards" placeholder:"N" help:"How many cards are in the boxes."`
	SHA256     string `required:"" name:"sha256" placeholder:"HEX" help:"The SHA-256 of the file they were made of, from the printing house's certificate."`
	Repeat     `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CardsReceiveCommand) Help() string {
	return `The delivery is held against the file that was sent. Take the canaries out before packing: huitou cards canaries.

Examples:

    huitou cards receive K-15379 --cards 10000 --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`
}

// Run records the delivery.
func (c CardsReceiveCommand) Run(ctx context.Context, console Console) error {
	return c.record(ctx, console, c.Connection, c.Repeat, "receipt", manifestDocument{c.Count, c.SHA256})
}

func (b Batch) record(ctx context.Context, console Console, connection Connection, repeat Repeat, step string, manifest any) error {
	key, err := repeat.key()
	if err != nil {
		return err
	}
	body, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	return show(ctx, console, connection, call{method: http.MethodPost, path: b.path(step), key: key, body: body}, shownBatch.String)
}

// readManifest counts the cards of an exported file and hashes it, in one
// reading. Any other file is refused.
func readManifest(name string) (manifestDocument, error) {
	file, err := os.Open(name)
	if err != nil {
		return manifestDocument{}, &UsageError{printable(name) + ": cannot be read: " + pathless(err)}
	}
	defer func() { _ = file.Close() }() // nothing was written
	hash := sha256.New()
	reader := bufio.NewReaderSize(io.TeeReader(file, hash), longestRow)
	cards := -1 // the first line is the header
	for {
		line, err := reader.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 && cards > 0 {
			return manifestDocument{cards, hex.EncodeToString(hash.Sum(nil))}, nil
		}
		row := strings.Split(strings.TrimSuffix(string(line), "\n"), ",")
		switch {
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull):
			return manifestDocument{}, &UsageError{printable(name) + ": cannot be read: " + pathless(err)}
		case err != nil, cards < 0 && strings.Join(row, ",") != strings.Join(exportHeader, ","), cards >= 0 && checkCard(row, cards) != nil:
			return manifestDocument{}, &UsageError{printable(name) + ": is no file that huitou cards export wrote; line " + strconv.Itoa(cards+2) + " differs"}
		}
		cards++
	}
}

// CardsCanariesCommand is `huitou cards canaries`.
type CardsCanariesCommand struct {
	Batch      `embed:""`
	Connection `embed:""`
}

// Help is the long help.
func (CardsCanariesCommand) Help() string {
	return `The printed numbers of the cards to take out before packing. Do not show them to the printing house: whoever tries one of these codes has read the file, and an alarm goes off.

Examples:

    huitou cards canaries K-15379`
}

// Run lists them.
func (c CardsCanariesCommand) Run(ctx context.Context, console Console) error {
	type canaries struct {
		Items []int `json:"items"`
	}
	return show(ctx, console, c.Connection, get(c.path("canaries")...), func(found canaries) string {
		if len(found.Items) == 0 {
			return "none\n"
		}
		var text strings.Builder
		for _, card := range found.Items {
			fmt.Fprintf(&text, "%d\n", card)
		}
		return text.String()
	})
}
