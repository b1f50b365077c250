package attack_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow/internal/attack"
	"github.com/fiberflow/flow/internal/load"
	"github.com/fiberflow/flow/internal/redistest"
)

// tokenSecret signs the tokens of everybody.
const tokenSecret = "attack-attack-attack-attack-attack"

// BenchmarkFlood floods the example, with the limits that it has by default and all subsystems on Redis, in
// each way for sixteen seconds, and prints what the attacker got and what the neighbours noticed.
func BenchmarkFlood(b *testing.B) {
	program, err := load.Build(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	server := redistest.Start(b)
	var table strings.Builder
	var lines sync.Once
	for _, kind := range attack.Kinds() {
		b.Run(kind.Name, func(b *testing.B) {
			for b.Loop() {
				site := load.Start(b, program,
					"USE_REDIS_COLLABORATION=true", "USE_REDIS_WEBSOCKETS=true", "USE_REDIS_EVENT_ORDERING=true",
					"REDIS_URL=redis://"+server.Addr(), "REDIS_KEY_PREFIX="+redistest.Prefix(b),
					"COLLAB_ANONYMOUS=false", "COLLAB_JWT_SECRET="+tokenSecret, "COLLAB_TRUSTED_PROXIES=127.0.0.1",
				)
				report, err := attack.Run(b.Context(), attack.Target{Addr: site.Addr(), Token: token}, attack.Plan{
					Kind: kind, Neighbours: 10, Quiet: 5 * time.Second, Flood: 16 * time.Second,
				})
				usage, readErr := load.UsageOf(site.Pid())
				if readErr != nil {
					b.Fatal(readErr)
				}
				lines.Do(func() { table.WriteString(heading) })
				table.WriteString(row(kind, report, usage))
				if err != nil {
					b.Errorf("Run: %v", err)
				}
				site.Stop(b)
				b.ReportMetric(0, "ns/op") // the length of a run says nothing
				b.ReportMetric(milliseconds(report.Before.Quantile(0.99)), "before-p99-ms")
				b.ReportMetric(milliseconds(report.During.Quantile(0.99)), "during-p99-ms")
			}
		})
	}
	if _, err := os.Stdout.WriteString(table.String()); err != nil {
		b.Error(err)
	}
}

const heading = "| flood | tried | the attacker got | others before: p50, p99, longest | during | memory |\n" +
	"| --- | --- | --- | --- | --- | --- |\n"

func row(kind attack.Kind, r attack.Report, usage load.Usage) string {
	tried := float64(r.Outcome.Sent()) / r.Took.Seconds()
	return fmt.Sprintf("| %s | %.0f/s | %v | %s | %s | %d MB |\n",
		kind.Name, tried, r.Outcome, ages(r.Before), ages(r.During), usage.Peak>>20)
}

func ages(h *load.Histogram) string {
	return fmt.Sprintf("%.1f, %.1f, %.0f",
		milliseconds(h.Quantile(0.5)), milliseconds(h.Quantile(0.99)), milliseconds(h.Max()))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func token(user string) string {
	claims := jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix()}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
	if err != nil {
		return err.Error() // which is no token, and the server says so
	}
	return signed
}
