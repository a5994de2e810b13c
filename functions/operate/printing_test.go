package operate_test

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"math"
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/qr/qrtest"
	"github.com/huitou/huitou/shared/token"
)

// sealed is the file of a batch as a printing house certifies it.
func sealed(count int) string {
	return fmt.Sprintf(`{"count":%d,"sha256":%q}`, count, strings.Repeat("ab", 32))
}

func (b *brand) newBatch(key, document string) string {
	b.t.Helper()
	status, made := b.post("/v1/card-batches", key, document)
	if status != http.StatusAccepted {
		b.t.Fatalf("%d %s", status, made)
	}
	return field(b.t, made, "id")
}

func (b *brand) staff(name string, role token.Role) string {
	b.t.Helper()
	_, answer := b.post("/v1/operators", name, fmt.Sprintf(`{"name":%q,"role":%q}`, name, role))
	return field(b.t, answer, "token")
}

func (b *brand) get(path, token string) (int, string, http.Header) {
	b.t.Helper()
	return b.call(request{method: "GET", path: path, token: token})
}

// refusal is the code of a problem document.
func refusal(t *testing.T, document string) string {
	t.Helper()
	return path.Base(field(t, document, "type"))
}

func TestABatchGoesToThePrintingHouseAndBack(t *testing.T) {
	b := open(t)
	id := b.newBatch("life", withCanaries(5))
	batchPath := "/v1/card-batches/" + id
	li, wang := b.staff("li", token.RoleOperator), b.staff("wang", token.RoleOperator)
	var last cards.Batch
	for i, c := range []struct {
		who, step, body string
		status          int
		want            string // the state, or the code of the refusal
	}{
		{li, "receipt", sealed(105), 409, "batch_not_printed"},
		{li, "activation", "", 202, "created"},
		{li, "printing", sealed(100), 400, "invalid"},
		{li, "printing", `{"count":105,"sha256":"no"}`, 400, "invalid"},
		{li, "printing", sealed(105), 200, "printed"},
		{li, "printing", sealed(105), 200, "printed"},
		{wang, "activation", "", 409, "batch_not_received"},
		{wang, "receipt", strings.Replace(sealed(105), "ab", "cd", 1), 409, "manifest_differs"},
		{wang, "receipt", sealed(106), 409, "manifest_differs"},
		{wang, "receipt", sealed(104), 200, "received"},
		{wang, "receipt", sealed(105), 409, "batch_not_printed"},
		{wang, "printing", sealed(105), 409, "batch_not_new"},
		{wang, "activation", "", 202, "received"},
		{li, "activation", "", 200, "active"},
		{li, "freeze", "", 200, "frozen"},
		{li, "activation", "", 409, "batch_frozen"},
		{li, "printing", sealed(105), 409, "batch_frozen"},
	} {
		status, answer, _ := b.call(request{method: "POST", path: batchPath + "/" + c.step, token: c.who, key: fmt.Sprint("life-", i), body: c.body})
		got := refusal(t, answer)
		if status < 300 {
			got = field(t, answer, "state")
		}
		if status != c.status || got != c.want {
			t.Errorf("%d, %s: %d %s, want %d %s", i, c.step, status, answer, c.status, c.want)
		}
		kept, err := b.function.Store.Batch(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if status < 300 {
			last = kept
		} else if diff := cmp.Diff(last, kept); last.Count > 0 && diff != "" {
			t.Errorf("%d, %s: a refusal changed the batch: %s", i, c.step, diff)
		}
	}
	_, shown, _ := b.get(batchPath, li)
	var audit struct {
		PrintRun                                       int `json:"print_run"`
		Printed, Received, Approved, Activated, Frozen *cards.Delivery
	}
	if err := json.Unmarshal([]byte(shown), &audit); err != nil {
		t.Fatal(err)
	}
	if audit.PrintRun != 105 || audit.Printed.Operator != "li" || audit.Printed.Count != 105 || audit.Received.Operator != "wang" || audit.Received.Count != 104 ||
		audit.Approved.Operator != "wang" || audit.Activated.Operator != "li" || audit.Frozen.Operator != "li" || !audit.Frozen.At.Equal(now) {
		t.Errorf("the batch does not tell who did what: %s", shown)
	}
}

func TestABatchWhoseWindowIsOverIsExpired(t *testing.T) {
	b := open(t)
	id := b.newBatch("over", strings.Replace(batch, "2027-02-01", "2026-11-20", 1))
	if _, shown, _ := b.get("/v1/card-batches/"+id, adminToken); field(t, shown, "state") != "expired" {
		t.Error(shown)
	}
	for _, c := range [][2]string{{"printing", sealed(100)}, {"receipt", sealed(100)}, {"activation", ""}} {
		if status, answer := b.post("/v1/card-batches/"+id+"/"+c[0], c[0], c[1]); status != http.StatusConflict || refusal(t, answer) != "batch_expired" {
			t.Errorf("%s: %d %s", c[0], status, answer)
		}
	}
}

func withCanaries(n int) string {
	return strings.Replace(batch, `"count":100,`, fmt.Sprintf(`"count":100,"canaries":%d,`, n), 1)
}

// A printing house reads what it prints while it prints, and nothing else: the
// whole published interface is tried.
func TestAPrintingHouseReadsCodesAndNothingElse(t *testing.T) {
	b := open(t)
	id := b.newBatch("print", withCanaries(3))
	_, answer := b.post("/v1/operators", "print-co", fmt.Sprintf(`{"name":"print-co","role":"printer","batches":[%q]}`, id))
	printer := field(t, answer, "token")
	_, document, _ := b.get("/openapi.json", "")
	var published struct {
		Paths map[string]map[string]struct {
			Security []map[string][]string
			Roles    []string `json:"x-roles"`
		}
	}
	if err := json.Unmarshal([]byte(document), &published); err != nil {
		t.Fatal(err)
	}
	may := map[string]bool{"get /v1/card-batches/{id}/cards.csv": true, "get /v1/card-batches/{id}/sheet.html": true, "get /console/session": true}
	blank := regexp.MustCompile(`\{[a-z_]+\}`)
	tried := 0
	for path, operations := range published.Paths {
		for method, operation := range operations {
			if len(operation.Security) == 0 || operation.Security[0]["operator"] == nil {
				continue
			}
			tried++
			r := request{method: strings.ToUpper(method), path: blank.ReplaceAllString(path, id), token: printer, key: fmt.Sprint("p-", tried)}
			if method == "post" || method == "put" {
				r.body = "{}"
			}
			status, answer, _ := b.call(r)
			if name := method + " " + path; may[name] {
				delete(may, name)
				if status != http.StatusOK {
					t.Errorf("%s: %d %s", name, status, answer)
				}
			} else if status != http.StatusForbidden {
				t.Errorf("%s: %d %.200s", name, status, answer)
			}
		}
	}
	if len(may) != 0 || tried < 40 {
		t.Errorf("%d calls tried, %v not among them", tried, may)
	}
	t.Logf("%d of %d operators' calls are closed to a printing house", tried-3, tried)

	batchPath := "/v1/card-batches/" + id
	for i, step := range []struct{ step, body string }{{"printing", sealed(103)}, {"receipt", sealed(103)}} {
		if status, answer := b.post(batchPath+"/"+step.step, fmt.Sprint("p-", i), step.body); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
		for _, file := range []string{"cards.csv", "sheet.html"} {
			status, answer, _ := b.get(batchPath+"/"+file, printer)
			if want := []int{200, 409}[i]; status != want || status == 409 && refusal(t, answer) != "batch_received" {
				t.Errorf("%s after %s: %d %.200s, want %d", file, step.step, status, answer, want)
			}
		}
	}
	if status, answer, _ := b.get(batchPath+"/cards.csv", adminToken); status != http.StatusOK {
		t.Errorf("the brand itself: %d %.200s", status, answer)
	}
}

// The file has canaries among the cards; only the brand is told which.
func TestCanariesAreInTheFileAndKnownToTheBrand(t *testing.T) {
	b := open(t)
	id := b.newBatch("canaries", withCanaries(7))
	_, text, header := b.get("/v1/card-batches/"+id+"/cards.csv", adminToken)
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 108 || header.Get("X-Total-Count") != "107" {
		t.Fatalf("%d rows, %v, %v", len(rows), err, header)
	}
	_, answer, _ := b.get("/v1/card-batches/"+id+"/canaries", adminToken)
	var found struct{ Items []int }
	if err := json.Unmarshal([]byte(answer), &found); err != nil || len(found.Items) != 7 {
		t.Fatalf("%s, %v", answer, err)
	}
	made, err := b.function.Store.Batch(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	draws, err := b.function.Keys.Draws(made)
	if err != nil {
		t.Fatal(err)
	}
	codec := b.function.Keys.Codec()
	var want []int
	for _, row := range rows[1:] {
		for _, spelling := range []string{row[1][strings.LastIndex(row[1], "/")+1:], row[2]} {
			code, err := codec.Parse(spelling)
			if err != nil || fmt.Sprint(code.Card+1) != row[0] || code.BatchID() != id {
				t.Fatalf("row %v reads as %v, %v", row, code, err)
			}
			if spelling == row[2] && draws.Canary(code.Card) {
				want = append(want, code.Card+1)
			}
		}
	}
	if diff := cmp.Diff(want, found.Items); diff != "" {
		t.Error(diff)
	}
}

// Every cell is ASCII, needs no quotes and starts with what no spreadsheet
// takes for a formula; pages put together are the whole.
func TestTheFileIsForPrintingHouses(t *testing.T) {
	b := open(t)
	id := b.newBatch("csv", batch)
	csvPath := "/v1/card-batches/" + id + "/cards.csv"
	_, whole, header := b.get(csvPath, adminToken)
	if got := header.Get("Content-Type"); got != "text/csv; charset=utf-8" || header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", header)
	}
	cell := regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z:/.-]*$`)
	for line := range strings.Lines(whole) {
		for field := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), ",") {
			if !cell.MatchString(field) {
				t.Fatalf("cell %q", field)
			}
		}
	}
	if whole[0] >= utf8.RuneSelf || strings.Contains(whole, "\r") {
		t.Error("a byte order mark or a carriage return")
	}
	paged := "card,url,code\n"
	for from := 0; from <= 105; from += 15 {
		status, part, header := b.get(fmt.Sprintf("%s?from=%d&limit=15", csvPath, from), adminToken)
		if status != http.StatusOK || header.Get("X-Total-Count") != "100" || !strings.HasPrefix(part, "card,url,code\n") {
			t.Fatalf("from %d: %d, %v", from, status, header)
		}
		paged += strings.TrimPrefix(part, "card,url,code\n")
	}
	if paged != whole {
		t.Error("pages differ from the whole")
	}
}

// The contents of a sheet, as a drawing.
type drawnSheet struct {
	Width   string `xml:"width,attr"`
	Height  string `xml:"height,attr"`
	ViewBox string `xml:"viewBox,attr"`
	Cards   []struct {
		Number int `xml:"data-card,attr"`
		Rects  []struct {
			X      float64 `xml:"x,attr"`
			Y      float64 `xml:"y,attr"`
			Width  float64 `xml:"width,attr"`
			Height float64 `xml:"height,attr"`
		} `xml:"rect"`
		Path struct {
			Transform string `xml:"transform,attr"`
			D         string `xml:"d,attr"`
		} `xml:"path"`
		Text []string `xml:"svg>text"`
	} `xml:"g"`
	Marks []struct {
		D string `xml:"d,attr"`
	} `xml:"path"`
}

func readSheets(t *testing.T, page string) (sheets []drawnSheet) {
	t.Helper()
	for _, part := range strings.Split(page, `<svg class="sheet"`)[1:] {
		text := part[:strings.LastIndex(part, "</svg>")]
		var sheet drawnSheet
		if err := xml.Unmarshal([]byte("<svg "+text+"</svg>"), &sheet); err != nil {
			t.Fatal(err)
		}
		sheets = append(sheets, sheet)
	}
	return sheets
}

// paper is a sheet at 8 dots a millimetre, about 203 a inch: what an office
// printer does at its worst.
const dots = 8

// print puts the symbols of a sheet on paper.
func (s drawnSheet) print(t *testing.T) *image.Gray {
	t.Helper()
	paper := image.NewGray(image.Rect(0, 0, 210*dots, 297*dots))
	for i := range paper.Pix {
		paper.Pix[i] = 0xFF
	}
	at := func(mm float64) int { return int(math.Round(mm * dots)) }
	for _, card := range s.Cards {
		var left, top, scale float64
		if _, err := fmt.Sscanf(card.Path.Transform, "translate(%f %f) scale(%f)", &left, &top, &scale); err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.SplitAfter(card.Path.D, "z") {
			var x, y, wide, back float64
			if text == "" {
				continue
			}
			if _, err := fmt.Sscanf(text, "M%f %fh%fv1h-%fz", &x, &y, &wide, &back); err != nil {
				t.Fatal(err)
			}
			for py := at(top + y*scale); py < at(top+(y+1)*scale); py++ {
				for px := at(left + x*scale); px < at(left+(x+wide)*scale); px++ {
					paper.SetGray(px, py, color.Gray{})
				}
			}
		}
	}
	return paper
}

// Every card of the sheet is scanned from the paper by somebody else's reader,
// in each size that is offered, and says what the file says.
func TestEveryCardOfTheSheetIsScannedBack(t *testing.T) {
	b := open(t)
	id := b.newBatch("sheet", withCanaries(8))
	_, text, _ := b.get("/v1/card-batches/"+id+"/cards.csv", adminToken)
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		query                string
		width, height, bleed float64
		perPage              int
	}{
		{"", 90, 54, 3, 8},
		{"&width=54&height=34&bleed=0", 54, 34, 0, 24},
		{"&width=85.6&height=53.98&bleed=3", 85.6, 53.98, 3, 8},
		{"&width=190&height=277&bleed=5", 190, 277, 5, 1},
	} {
		limit := 108
		if c.perPage == 1 {
			limit = 3
		}
		status, page, header := b.get(fmt.Sprintf("/v1/card-batches/%s/sheet.html?limit=%d%s", id, limit, c.query), adminToken)
		if status != http.StatusOK || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("%s: %d %.200s", c.query, status, page)
		}
		sheets := readSheets(t, page)
		if want := (limit + c.perPage - 1) / c.perPage; len(sheets) != want {
			t.Fatalf("%s: %d sheets, want %d", c.query, len(sheets), want)
		}
		scanned := 0
		for _, sheet := range sheets {
			if sheet.Width != "210mm" || sheet.Height != "297mm" || sheet.ViewBox != "0 0 210 297" || len(sheet.Marks) == 0 {
				t.Fatalf("a sheet of %s × %s, %s with %d marks", sheet.Width, sheet.Height, sheet.ViewBox, len(sheet.Marks))
			}
			paper := sheet.print(t)
			for _, card := range sheet.Cards {
				scanned++
				ground := card.Rects[0]
				if card.Number != scanned || ground.Width != c.width+2*c.bleed || ground.Height != c.height+2*c.bleed ||
					ground.X < 4 || ground.Y < 4 || ground.X+ground.Width > 206.01 || ground.Y+ground.Height > 293.01 {
					t.Fatalf("%s: card %d stands at %+v", c.query, card.Number, ground)
				}
				piece := paper.SubImage(image.Rect(int(ground.X*dots), int(ground.Y*dots), int((ground.X+ground.Width)*dots), int((ground.Y+ground.Height)*dots)))
				row := rows[card.Number]
				if got, _, err := qrtest.Read(piece); got != row[1] {
					t.Fatalf("%s: card %d says %q, want %s: %v", c.query, card.Number, got, row[1], err)
				}
				words := strings.Join(card.Text, "\n")
				if !strings.Contains(words, row[2][:9]+"\n"+row[2][10:]+"\nNo. "+row[0]) {
					t.Fatalf("card %d reads %q, want %v", card.Number, words, row)
				}
			}
		}
		if scanned != limit {
			t.Errorf("%s: %d cards, want %d", c.query, scanned, limit)
		}
		t.Logf("%d cards of %g × %g mm scanned from %d sheets at %d dots a millimetre", scanned, c.width, c.height, len(sheets), dots)
	}
	for _, query := range []string{"width=53", "height=33", "bleed=6", "bleed=-1", "width=300", "height=290", "width=NaN", "bleed=Inf", "limit=481"} {
		if status, answer, _ := b.get("/v1/card-batches/"+id+"/sheet.html?"+query, adminToken); status != http.StatusBadRequest {
			t.Errorf("%s: %d %.200s", query, status, answer)
		}
	}
	if status, page, _ := b.get("/v1/card-batches/"+id+"/sheet.html?from=1000", adminToken); status != http.StatusOK || len(readSheets(t, page)) != 0 {
		t.Errorf("past the end: %d", status)
	}
}

// A new root key signs new batches, while the old one's are exported as before;
// once it is out of use nobody makes its codes again.
func TestKeysAreRotated(t *testing.T) {
	b := open(t)
	old := cards.RootKey{ID: 'K', Secret: [32]byte{1, 2, 3}}
	id := b.newBatch("old", withCanaries(2))
	path := "/v1/card-batches/" + id
	_, codes, _ := b.get(path+"/cards.csv", adminToken)
	_, canaries, _ := b.get(path+"/canaries", adminToken)
	rotate := func(roots ...cards.RootKey) {
		keys, err := cards.NewKeyring(roots...)
		if err != nil {
			t.Fatal(err)
		}
		b.function.Keys = keys
		b.Handler = b.function.Handler()
	}
	rotate(cards.RootKey{ID: 'M', Secret: [32]byte{4}}, old)
	if made := b.newBatch("new", batch); !strings.HasPrefix(made, "M-") {
		t.Errorf("the new batch is %s", made)
	}
	if _, again, _ := b.get(path+"/cards.csv", adminToken); again != codes {
		t.Error("the old batch's codes changed")
	}
	if _, again, _ := b.get(path+"/canaries", adminToken); again != canaries {
		t.Error("the old batch's canaries changed")
	}
	rotate(cards.RootKey{ID: 'M', Secret: [32]byte{4}})
	for _, file := range []string{"cards.csv", "sheet.html", "canaries"} {
		if status, answer, _ := b.get(path+"/"+file, adminToken); status != http.StatusConflict || refusal(t, answer) != "card_key_retired" {
			t.Errorf("%s: %d %.200s", file, status, answer)
		}
	}
	if status, shown, _ := b.get(path, adminToken); status != http.StatusOK || field(t, shown, "print_run") != "102" {
		t.Errorf("the batch itself: %d %s", status, shown)
	}
}
