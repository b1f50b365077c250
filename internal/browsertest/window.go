package browsertest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// deadline bounds how long a window may take to do, or to become, what a test expects. It is long because it
// only passes when something is broken: a browser may have a tenth of a processor.
const deadline = 60 * time.Second

// Window is one tab. Its methods fail the test that opened it, and are for that test's goroutine.
type Window struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string // uncaught errors and violated policies
}

func open(t testing.TB, parent context.Context, options ...chromedp.ContextOption) *Window {
	t.Helper()
	w := &Window{t: t}
	ctx, closed := chromedp.NewContext(parent, append(options, chromedp.WithListener(w.listen))...)
	w.ctx = ctx
	t.Cleanup(func() {
		closed()
		for _, problem := range w.Problems() {
			t.Errorf("the page complains: %s", problem)
		}
	})
	// The first call binds the life of the tab to its context, so it must not be one with a deadline.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(Width, Height)); err != nil {
		t.Fatalf("open a window: %v", err)
	}
	return w
}

// listen runs on the goroutine that reads the browser's messages, and must not call back into it.
func (w *Window) listen(event any) {
	var problem string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = e.ExceptionDetails.Text
		if thrown := e.ExceptionDetails.Exception; thrown != nil {
			problem += " " + thrown.Description
		}
	case *log.EventEntryAdded:
		problem = e.Entry.Text
		if !strings.Contains(problem, "Content Security Policy") {
			return
		}
	default:
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, problem)
}

// Problems returns the errors that nobody caught and the violations of the page's policy since the
// last call. Those that a test does not ask for fail it when it ends.
func (w *Window) Problems() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	problems := w.problems
	w.problems = nil
	return problems
}

// Tab opens another tab of the same person.
func (w *Window) Tab() *Window {
	w.t.Helper()
	return open(w.t, w.ctx)
}

// Go loads an address and returns when the page and its modules have run.
func (w *Window) Go(url string) {
	w.t.Helper()
	w.do("go to "+url, chromedp.Navigate(url))
}

// Reload loads the page again.
func (w *Window) Reload() {
	w.t.Helper()
	w.do("reload", chromedp.Reload())
}

// Do evaluates an expression for what it does.
func (w *Window) Do(expression string) {
	w.t.Helper()
	w.do(expression, chromedp.Evaluate[chromedp.Void](expression, chromedp.EvalAwaitPromise))
}

// Read evaluates an expression in the window, awaits it if it is a promise, and returns its value.
func Read[T any](w *Window, expression string) T {
	w.t.Helper()
	value, err := evaluate[T](w, expression)
	if err != nil {
		w.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// Until waits until the expression is true, and tells what was expected when that does not happen.
func (w *Window) Until(what, expression string) {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); ; <-tick.C {
		// An error may pass as well: a page that is being replaced cannot answer.
		ok, err := evaluate[bool](w, "!!("+expression+")")
		if ok {
			return
		}
		if time.Now().After(end) {
			w.Screenshot(Artifact(w.t, w.t.Name()+".png"))
			w.t.Fatalf("waited %v until %s (last error: %v)", deadline, what, err)
		}
	}
}

func evaluate[T any](w *Window, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(w.ctx, deadline)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

func (w *Window) do(what string, action chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, deadline)
	defer cancel()
	if err := chromedp.Do(ctx, action); err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}
