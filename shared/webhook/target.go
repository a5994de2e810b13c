package webhook

import (
	"errors"

	"github.com/huitou/huitou/shared/strictjson"
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
	if err := strictjson.Exact(document, &target); err != nil {
		return Target{}, errors.New(`webhook: a receiver is {"url":"https://…","secrets":["whsec_…"]}`)
	}
	return target, nil
}
