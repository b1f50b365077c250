package browsertest

import (
	"context"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// The size of every window.
const (
	Width  = 1280
	Height = 800
)

// Browser is one Chromium process with a profile of its own.
type Browser struct{ ctx context.Context }

// Start runs a browser until the test ends.
func Start(t testing.TB) *Browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.NoSandbox, // tests run as root in containers
		chromedp.DisableGPU,
		chromedp.WindowSize(Width, Height),
		chromedp.WSURLReadTimeout(deadline), // for its first word
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	// The browser ends after the cleanups of the windows, which t.Context would not wait for.
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, closed := chromedp.NewContext(allocator)
	t.Cleanup(closed)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium (is it installed? try: apt-get install chromium): %v", err)
	}
	return &Browser{ctx: ctx}
}

// Person opens a window of somebody else: it shares no storage with the windows of other people.
func (b *Browser) Person(t testing.TB) *Window {
	t.Helper()
	return open(t, b.ctx, chromedp.WithNewBrowserContext())
}
