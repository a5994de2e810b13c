// Package replay lets models with planted errors answer for histories whose right
// answers are known. It is built with them in a module of its own.
package replay

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
)

// History is one history and its right answer.
type History struct{ Program, Inputs, State json.RawMessage }

// Read reads the histories of a file, one after the other.
func Read(name string) []History {
	file, err := os.Open(name)
	check(err)
	defer file.Close()
	var all []History
	for decoder := json.NewDecoder(file); ; {
		var one History
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		check(err)
		all = append(all, one)
	}
}

// First is the number, from 1, of the first history for which a model answers
// otherwise; 0 for none.
func First[V, I, S any](histories []History, after func([]V, []I) S) int {
	for i, history := range histories {
		var program []V
		var inputs []I
		check(json.Unmarshal(history.Program, &program))
		check(json.Unmarshal(history.Inputs, &inputs))
		state, err := json.Marshal(after(program, inputs))
		check(err)
		if !reflect.DeepEqual(figures(state), figures(history.State)) {
			return i + 1
		}
	}
	return 0
}

// figures are all of an answer but zeros.
func figures(state []byte) any {
	var all any
	check(json.Unmarshal(state, &all))
	return prune(all)
}

func prune(of any) any {
	if all, ok := of.(map[string]any); ok {
		for key, one := range all {
			if prune(one) == 0.0 {
				delete(all, key)
			}
		}
	}
	return of
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
