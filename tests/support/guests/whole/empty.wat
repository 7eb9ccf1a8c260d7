;; The empty component: eight bytes.
(component)
