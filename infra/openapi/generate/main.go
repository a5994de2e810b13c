// Command generate writes the published documents where they are committed; run
// it from the root of the repository (make generate).
package main

import (
	"fmt"
	"os"

	"github.com/huitou/huitou/infra/openapi"
)

func main() {
	for file, document := range openapi.Files {
		content, err := document()
		if err == nil {
			err = os.WriteFile(file, content, 0o644) // #nosec G306 -- a published document
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
			os.Exit(1)
		}
	}
}
