// Command generate writes the OpenAPI document where it is committed; run it
// from the root of the repository (make generate).
package main

import (
	"fmt"
	"os"

	"github.com/huitou/huitou/infra/openapi"
)

func main() {
	document, err := openapi.Document()
	if err == nil {
		err = os.WriteFile(openapi.File, document, 0o644) // #nosec G306 -- a published document
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}
