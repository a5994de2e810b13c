// Package huitou holds what stands at the root of the repository and is needed
// in a program: the template that says what exists.
package huitou

import _ "embed"

// Template is template.yaml.
//
//go:embed template.yaml
var Template []byte
