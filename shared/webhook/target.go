package webhook

import (
	"encoding/json"
	"errors"
)

// Target is where posts go, as it is kept with the brand's secrets:
//
//	{"url":"https://…","secrets":["whsec_…"]}
type Target struct {
	URL     string   `json:"url"`
	Secrets []string `json:"secrets"`
}

// ReadTarget reads a Target. Its errors quote nothing of the document.
func ReadTarget(document []byte) (Target, error) {
	var target Target
	if err := json.Unmarshal(document, &target); err != nil {
		return Target{}, errors.New(`webhook: a receiver is {"url":"https://…","secrets":["whsec_…"]}`)
	}
	return target, nil
}
