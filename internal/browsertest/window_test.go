package browsertest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fiberflow/flow/internal/browsertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const page = `<!doctype html><title>page</title>
<input id="name" style="position:absolute;left:0;top:0;width:100px;height:20px">
<script>
  window.events = [];
  for (const type of ["pointerdown", "pointermove", "pointerup", "dblclick"]) {
    addEventListener(type, (e) => events.push([type, e.clientX, e.buttons, e.shiftKey]));
  }
</script>`

func serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(page))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// People do not share storage, the tabs of one person do.
func TestBrowser_Person(t *testing.T) {
	url, browser := serve(t), browsertest.Start(t)
	ada, bob := browser.Person(t), browser.Person(t)
	ada.Go(url)
	bob.Go(url)
	ada.Do(`localStorage.setItem("who", "ada")`)
	tab := ada.Tab()
	tab.Go(url)
	if got := browsertest.Read[string](tab, `localStorage.getItem("who")`); got != "ada" {
		t.Errorf("the second tab reads %q", got)
	}
	if !browsertest.Read[bool](bob, `localStorage.getItem("who") === null`) {
		t.Error("somebody else reads it too")
	}
}

// The page sees a real mouse and a real keyboard, and what goes wrong in it is told.
func TestWindow_Input(t *testing.T) {
	w := browsertest.Start(t).Person(t)
	w.Go(serve(t))
	w.Click(browsertest.Point{X: 50, Y: 10})
	w.Type("Ada")
	w.Until("the name is typed", `document.querySelector("input").value === "Ada"`)

	w.Do(`events.length = 0`)
	w.Press(browsertest.Point{X: 200, Y: 200})
	w.Drag(browsertest.Point{X: 300, Y: 200})
	w.Release(browsertest.Point{X: 300, Y: 200})
	got := browsertest.Read[string](w, `JSON.stringify(events)`)
	want := `[["pointermove",200,0,false],["pointerdown",200,1,false],` +
		`["pointermove",300,1,false],["pointerup",300,0,false]]`
	if got != want {
		t.Errorf("the page saw %s, want %s", got, want)
	}
	w.DoubleClick(browsertest.Point{X: 400, Y: 400})
	w.Until("a double click is seen", `events.some(([type]) => type === "dblclick")`)

	w.Do(`setTimeout(() => { throw new Error("on purpose") }, 0)`)
	var problems []string
	for end := time.Now().Add(time.Minute); len(problems) == 0 && time.Now().Before(end); {
		w.Do(`0`) // a round trip, in whose time the news may come
		problems = w.Problems()
	}
	if len(problems) != 1 || !strings.Contains(problems[0], "on purpose") {
		t.Errorf("problems %q", problems)
	}
}
