"use strict";(self.rspackChunkcollaboratory=self.rspackChunkcollaboratory||[]).push([[968],{24(r,e,t){var o=t(25),n=t.n(o),a=t(26),c=(t.n(a))()(n());c.push([r.id,`.collaboratory-RoomStatus {
  display: flex;
  align-items: center;
  gap: 4px;
  white-space: nowrap;
}

.collaboratory-RoomStatus.lm-mod-hidden {
  display: none;
}

.collaboratory-RoomStatus[data-state="offline"],
.collaboratory-RoomStatus[data-state="over"] {
  background: var(--jp-warn-color0);
  color: var(--jp-ui-inverse-font-color0);
  padding: 0 6px;
}

.collaboratory-Person {
  width: 8px;
  height: 8px;
  border-radius: 50%;
  background: var(--collaboratory-person, var(--jp-ui-font-color2));
}

.collaboratory-CellRunner {
  margin-left: calc(var(--jp-cell-prompt-width) + 2 * var(--jp-cell-padding));
  padding: 2px 8px;
  border-left: 3px solid var(--collaboratory-person, var(--jp-border-color1));
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size1);
}


.collaboratory-nearly-full {
  color: var(--jp-warn-color0);
  font-weight: bold;
}
`,""]),t.d(e,{},{A:c})},26(r){r.exports=function(r){var e=[];return e.toString=function(){return this.map(function(e){var t="",o=void 0!==e[5];return e[4]&&(t+="@supports (".concat(e[4],") {")),e[2]&&(t+="@media ".concat(e[2]," {")),o&&(t+="@layer".concat(e[5].length>0?" ".concat(e[5]):""," {")),t+=r(e),o&&(t+="}"),e[2]&&(t+="}"),e[4]&&(t+="}"),t}).join("")},e.i=function(r,t,o,n,a){"string"==typeof r&&(r=[[null,r,void 0]]);var c={};if(o)for(var i=0;i<this.length;i++){var s=this[i][0];null!=s&&(c[s]=!0)}for(var l=0;l<r.length;l++){var u=[].concat(r[l]);o&&c[u[0]]||(void 0!==a&&(void 0===u[5]||(u[1]="@layer".concat(u[5].length>0?" ".concat(u[5]):""," {").concat(u[1],"}")),u[5]=a),t&&(u[2]&&(u[1]="@media ".concat(u[2]," {").concat(u[1],"}")),u[2]=t),n&&(u[4]?(u[1]="@supports (".concat(u[4],") {").concat(u[1],"}"),u[4]=n):u[4]="".concat(n)),e.push(u))}},e}},25(r){r.exports=function(r){return r[1]}},18(r){var e=[];function t(r){for(var t=-1,o=0;o<e.length;o++)if(e[o].identifier===r){t=o;break}return t}function o(r,o){for(var n={},a=[],c=0;c<r.length;c++){var i=r[c],s=o.base?i[0]+o.base:i[0],l=n[s]||0,u="".concat(s," ").concat(l);n[s]=l+1;var p=t(u),d={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==p)e[p].references++,e[p].updater(d);else{var f=function(r,e){var t=e.domAPI(e);return t.update(r),function(e){e?(e.css!==r.css||e.media!==r.media||e.sourceMap!==r.sourceMap||e.supports!==r.supports||e.layer!==r.layer)&&t.update(r=e):t.remove()}}(d,o);o.byIndex=c,e.splice(c,0,{identifier:u,updater:f,references:1})}a.push(u)}return a}r.exports=function(r,n){var a=o(r=r||[],n=n||{});return function(r){r=r||[];for(var c=0;c<a.length;c++){var i=t(a[c]);e[i].references--}for(var s=o(r,n),l=0;l<a.length;l++){var u=t(a[l]);0===e[u].references&&(e[u].updater(),e.splice(u,1))}a=s}}},20(r){var e={};r.exports=function(r,t){var o=function(r){if(void 0===e[r]){var t=document.querySelector(r);if(window.HTMLIFrameElement&&t instanceof window.HTMLIFrameElement)try{t=t.contentDocument.head}catch(r){t=null}e[r]=t}return e[r]}(r);if(!o)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");o.appendChild(t)}},22(r){r.exports=function(r){var e=document.createElement("style");return r.setAttributes(e,r.attributes),r.insert(e,r.options),e}},21(r,e,t){r.exports=function(r){var e=t.nc;e&&r.setAttribute("nonce",e)}},19(r){r.exports=function(r){if("u"<typeof document)return{update:function(){},remove:function(){}};var e=r.insertStyleElement(r);return{update:function(t){var o,n,a;o="",t.supports&&(o+="@supports (".concat(t.supports,") {")),t.media&&(o+="@media ".concat(t.media," {")),(n=void 0!==t.layer)&&(o+="@layer".concat(t.layer.length>0?" ".concat(t.layer):""," {")),o+=t.css,n&&(o+="}"),t.media&&(o+="}"),t.supports&&(o+="}"),(a=t.sourceMap)&&"u">typeof btoa&&(o+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),r.styleTagTransform(o,e,r.options)},remove:function(){var r;null===(r=e).parentNode||r.parentNode.removeChild(r)}}}},23(r){r.exports=function(r,e){if(e.styleSheet)e.styleSheet.cssText=r;else{for(;e.firstChild;)e.removeChild(e.firstChild);e.appendChild(document.createTextNode(r))}}},17(r,e,t){var o=t(18),n=t.n(o),a=t(19),c=t.n(a),i=t(20),s=t.n(i),l=t(21),u=t.n(l),p=t(22),d=t.n(p),f=t(23),v=t.n(f),m=t(24),h={};h.styleTagTransform=v(),h.setAttributes=u(),h.insert=s().bind(null,"head"),h.domAPI=c(),h.insertStyleElement=d(),n()(m.A,h),m.A&&m.A.locals&&m.A.locals}}]);