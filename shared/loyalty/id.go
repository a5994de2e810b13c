package loyalty

import "strings"

// idEscaper keeps the parts of an id apart. A part that holds neither of its
// two characters stays as it is.
var idEscaper = strings.NewReplacer("%", "%25", ":", "%3A")

// JoinID adds to a kind, or to an id, the parts that name its cause:
// "earn:tmall:flagship:1001:1". It is injective: whatever the parts hold, others
// make another id.
func JoinID(id string, parts ...string) string {
	var b strings.Builder
	b.WriteString(id)
	for _, part := range parts {
		b.WriteByte(':')
		if strings.ContainsAny(part, "%:") {
			part = idEscaper.Replace(part)
		}
		b.WriteString(part)
	}
	return b.String()
}
