package flow

import "time"

// Noise counts what a client sent that is no message and yet costs something: a ping, a pong, a small
// fragment. It shares the rate of the messages that have no limit of their own. False is over the rate:
// then the transport does nothing about it. Like Receive it is for the transport's reader.
func (c *Conn) Noise() bool {
	c.now = time.Now()
	wait := c.other.take(c.now, otherPerSecond)
	if wait > 0 {
		c.limited(wait, func(error) {})
	}
	return wait == 0
}
