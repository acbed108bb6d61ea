// Judges checkpoints by witness policies with transparency-dev's own code: a JSON object a line on stdin, an answer a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/transparency-dev/formats/witness"
)

type question struct {
	Policy     string `json:"policy"`
	Checkpoint string `json:"checkpoint"`
}

func answer(line []byte) string {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return "unreadable"
	}
	group, err := witness.ParsePolicy([]byte(asked.Policy))
	if err != nil {
		return "refused"
	}
	if group.Satisfied([]byte(asked.Checkpoint)) {
		return "met"
	}
	return "unmet"
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Println(answer(lines.Bytes()))
	}
}
