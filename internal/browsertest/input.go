package browsertest

import (
	"context"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Point is a place in a window, in pixels from its top left corner.
type Point struct{ X, Y float64 }

// Click presses and releases the left button at a point.
func (w *Window) Click(p Point) {
	w.t.Helper()
	w.do("click", chromedp.MouseClickXY(p.X, p.Y))
}

// ClickWith is [Window.Click] with keys like Shift held down.
func (w *Window) ClickWith(p Point, keys chromedp.Modifier) {
	w.t.Helper()
	w.do("click", chromedp.MouseClickXY(p.X, p.Y, func(e *input.DispatchMouseEventParams) {
		e.Modifiers = int64(keys)
	}))
}

// DoubleClick clicks twice at a point.
func (w *Window) DoubleClick(p Point) {
	w.t.Helper()
	w.Click(p)
	w.do("click twice", chromedp.MouseClickXY(p.X, p.Y, chromedp.ClickCount(2)))
}

// Move moves the mouse with no button held down.
func (w *Window) Move(p Point) {
	w.t.Helper()
	w.do("move the mouse", chromedp.MouseEvent(chromedp.MouseMoved, p.X, p.Y))
}

// Press moves the mouse to a point and holds the left button down.
func (w *Window) Press(p Point) {
	w.t.Helper()
	w.Move(p)
	w.do("press", chromedp.MouseEvent(chromedp.MousePressed, p.X, p.Y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
}

// Drag moves the mouse with the left button held down.
func (w *Window) Drag(p Point) {
	w.t.Helper()
	held := func(e *input.DispatchMouseEventParams) { e.Buttons = 1 }
	w.do("drag", chromedp.MouseEvent(chromedp.MouseMoved, p.X, p.Y, chromedp.ButtonLeft, held))
}

// Release lets the left button go.
func (w *Window) Release(p Point) {
	w.t.Helper()
	w.do("release", chromedp.MouseEvent(chromedp.MouseReleased, p.X, p.Y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
}

// Type writes into whatever has the focus; package kb of chromedp names special keys like Enter.
func (w *Window) Type(text string) {
	w.t.Helper()
	w.do("type "+text, chromedp.KeyEvent(text))
}

// Key presses one key for what it does, not for its character. A page that takes a key for a command
// suppresses the character, but only that of a real keyboard.
func (w *Window) Key(key string) {
	w.t.Helper()
	for _, r := range key {
		for _, event := range kb.Encode(r) {
			if event.Type == kb.KeyChar {
				continue
			}
			w.do("press "+key, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
				_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, *event)
				return err
			}))
		}
	}
}
