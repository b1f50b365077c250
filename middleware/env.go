package middleware

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/joho/godotenv"
)

// LoadSettings reads the process environment, and behind it the file Config.EnvFile; of the config only
// EnvFile and Getenv count. The error names every key whose value cannot be read, with the value unless
// it is a secret, and what was expected.
func LoadSettings(config ...Config) (Settings, error) {
	cfg := configDefault(config...)
	file, err := readEnvFile(cfg.EnvFile)
	if err != nil {
		return Settings{}, err
	}
	return parseSettings(func(name string) string {
		if v, ok := cfg.Getenv(name); ok && v != "" {
			return v
		}
		return file[name]
	})
}

// parseSettings reads every key and reports all problems together.
func parseSettings(lookup func(name string) string) (Settings, error) {
	var e env
	var problems []error
	set := map[string]bool{}
	for _, k := range e.keys() {
		given := k.trim(lookup(k.name))
		set[k.name] = given != ""
		if given == "" {
			given = k.def
		}
		if given != "" && !k.read(given) {
			problems = append(problems, fmt.Errorf("%s=%s: expected %s", k.name, k.show(given), k.want))
		}
	}
	if len(problems) == 0 {
		problems = e.resolve(set)
	}
	if len(problems) > 0 {
		return Settings{}, fmt.Errorf("read the settings: %w", errors.Join(problems...))
	}
	return e.Settings, nil
}

// readEnvFile reads KEY=value lines. The file does not have to exist.
func readEnvFile(path string) (map[string]string, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the path is the application's own choice
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	values, err := godotenv.UnmarshalBytes(data)
	if err != nil {
		// The parser's own error quotes the rest of the file, secrets included.
		return nil, fmt.Errorf("read the settings: %s, line %d: expected KEY=value", path, badLine(string(data)))
	}
	return values, nil
}

// badLine returns the number of the line after the longest readable beginning of the file.
func badLine(file string) int {
	lines := strings.SplitAfter(file, "\n")
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := godotenv.Unmarshal(strings.Join(lines[:n], "")); err == nil {
			return n + 1
		}
	}
	return 1
}

func lookupProcess(key string) (string, bool) { return os.LookupEnv(key) }
