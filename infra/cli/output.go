package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"github.com/huitou/huitou/shared/loyalty"
)

// text writes a result, or says that it cannot be written.
func (c Console) text(result string) error {
	if _, err := io.WriteString(c.Out, result); err != nil {
		return &incompleteError{"the result cannot be written: " + err.Error()}
	}
	return nil
}

// json writes a JSON document as the API gave it, indented. Characters that
// could steer a terminal are written as the escapes that mean the same.
func (c Console) json(raw []byte) error {
	var indented bytes.Buffer
	if err := json.Indent(&indented, bytes.TrimSpace(raw), "", "  "); err != nil {
		return errNotHuitou
	}
	indented.WriteByte('\n')
	var safe strings.Builder
	for _, r := range indented.String() {
		switch {
		case r == '\n', unicode.IsPrint(r):
			safe.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000 // a surrogate pair, as JSON has it
			fmt.Fprintf(&safe, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&safe, `\u%04x`, r)
		}
	}
	return c.text(safe.String())
}

// value writes a document of this command line's own as JSON.
func (c Console) value(document any) error {
	raw, err := json.Marshal(document)
	if err != nil {
		return err
	}
	return c.json(raw)
}

// grid is rows in aligned columns. Columns of numbers stand to the right.
type grid struct {
	titles []string
	rows   [][]string
}

func (g *grid) add(cells ...string) {
	for i, cell := range cells {
		cells[i] = shown(cell)
	}
	g.rows = append(g.rows, cells)
}

func (g *grid) String() string {
	if len(g.rows) == 0 {
		return "none\n"
	}
	widths := make([]int, len(g.titles))
	numbers := make([]bool, len(g.titles))
	for i, title := range g.titles {
		widths[i] = uniseg.StringWidth(title)
		numbers[i] = true
		for _, row := range g.rows {
			widths[i] = max(widths[i], uniseg.StringWidth(row[i]))
			numbers[i] = numbers[i] && isNumber(row[i])
		}
	}
	var text strings.Builder
	for _, row := range append([][]string{g.titles}, g.rows...) {
		line := ""
		for i, cell := range row {
			blank := strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell))
			if i > 0 {
				line += "  "
			}
			if numbers[i] {
				line += blank + cell
			} else {
				line += cell + blank
			}
		}
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return text.String()
}

func isNumber(cell string) bool {
	return cell == "-" || strings.Trim(cell, "¥-.0123456789") == "" && strings.ContainsAny(cell, "0123456789")
}

// facts is names with their values, one a line, without those that are empty.
func facts(pairs ...string) string {
	width := 0
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			width = max(width, uniseg.StringWidth(pairs[i]))
		}
	}
	var text strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(&text, "%s%s  %s\n", pairs[i], strings.Repeat(" ", width-uniseg.StringWidth(pairs[i])), printable(pairs[i+1]))
		}
	}
	return text.String()
}

// money is an amount of fen in yuan.
func money(amount loyalty.Fen) string {
	sign := ""
	if amount < 0 {
		sign, amount = "-", -amount
	}
	return fmt.Sprintf("%s¥%d.%02d", sign, amount/100, amount%100)
}

// shown is a text from outside as a cell of a table.
func shown(cell string) string {
	if cell == "" {
		return "-"
	}
	return printable(cell)
}

// printable keeps what came from outside from steering the terminal.
func printable(text string) string {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Sprintf("%q", text)
	}
	return text
}

// short is the beginning of a text that is too long for a table.
func short(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
